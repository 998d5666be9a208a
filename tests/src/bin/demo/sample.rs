//! What is in the two sample folders at the beginning.

use anyhow::Result;
use tests::Device;
use tests::noise::Noise;

/// What `Notes/ideas.md` says at the beginning.
pub(crate) const IDEAS: &str = "# Ideas\n\nA bench under the oak.\n";

/// Fills the folder of the first device.
pub(crate) fn fill_laptop(laptop: &Device) -> Result<()> {
    laptop.write("Notes/todo.txt", "buy flour\nwrite to Ada\n")?;
    laptop.write("Notes/ideas.md", IDEAS)?;
    laptop.write("Photos/2026/sea.jpg", Noise::new(1).bytes(700_000))?;
    laptop.write("Photos/2026/hill.jpg", Noise::new(2).bytes(300_000))?;
    laptop.write("Letters/to Ada.txt", "Dear Ada,\nthe bread rose.\n")
}

/// Fills the folder of the second device: one file is the same as on the first, the others are its own.
pub(crate) fn fill_desktop(desktop: &Device) -> Result<()> {
    desktop.write("Notes/todo.txt", "buy flour\nwrite to Ada\n")?;
    desktop.write("Recipes/bread.txt", "500 g flour\n350 g water\n10 g salt\n")?;
    desktop.write("Recipes/soup.txt", "leek, potato, patience\n")
}

/// The paths that both folders have together.
pub(crate) const FILES: [&str; 7] = [
    "Letters/to Ada.txt",
    "Notes/ideas.md",
    "Notes/todo.txt",
    "Photos/2026/hill.jpg",
    "Photos/2026/sea.jpg",
    "Recipes/bread.txt",
    "Recipes/soup.txt",
];
