//! The demo without a terminal: step by step, each told in a sentence and then checked on disk.

use crate::sample;
use crate::stage::Stage;
use anyhow::{Context as _, Result, ensure};
use std::path::Path;
use std::time::Instant;
use tests::tree::Seen;
use tests::{Device, Event, settle};

/// What one step does and checks.
type Step = fn(&mut Stage) -> Result<()>;

pub(crate) fn play(home: &Path) -> Result<()> {
    let mut stage = Stage::set(home)?;
    let steps: [(&str, Step); 7] = [
        ("Two folders become one", join),
        ("An edit travels each way", edit_each_way),
        ("A directory is renamed", rename_a_directory),
        (
            "Both edit one file without knowing of each other",
            make_a_conflict,
        ),
        ("The conflict is resolved", resolve_the_conflict),
        ("An older version comes back", restore_an_older_version),
        ("The store is checked", check_the_store),
    ];
    for (n_before, (title, step)) in steps.into_iter().enumerate() {
        println!("{}. {title}.", n_before + 1);
        let begun = Instant::now();
        step(&mut stage).with_context(|| format!("in step {} ({title})", n_before + 1))?;
        println!("   Checked, after {} ms.", begun.elapsed().as_millis());
    }
    println!("All steps did what they said.");
    Ok(())
}

fn join(stage: &mut Stage) -> Result<()> {
    let Stage {
        laptop,
        desktop,
        server,
        ..
    } = stage;
    laptop.start()?;
    let account = laptop.wait_for("account", |event| event.is("account"))?;
    laptop.wait_synced()?;
    println!("   The laptop made an account. Its ID is {}.", account.text("id"));

    let link = laptop.link()?;
    ensure!(
        link.contains(account.text("id")),
        "the link does not have the ID in it"
    );
    ensure!(
        link.ends_with(server.fingerprint()),
        "the link does not have the fingerprint in it"
    );
    desktop.follow(link);
    desktop.start()?;
    println!("   The desktop joined by the link {}.", desktop.link()?);

    let together = settle(&[laptop, desktop])?;
    let files: Vec<_> = together
        .iter()
        .filter(|(_, seen)| matches!(seen, Seen::File { .. }))
        .map(|(path, _)| String::from_utf8_lossy(path))
        .collect();
    ensure!(files == sample::FILES, "the folders hold {files:?}");
    println!(
        "   Both folders hold the {} files that were in either, and nothing else.",
        files.len()
    );
    Ok(())
}

fn edit_each_way(stage: &mut Stage) -> Result<()> {
    let Stage { laptop, desktop, .. } = stage;
    for (from, to, path, content) in [
        (
            &*laptop,
            &*desktop,
            "Notes/ideas.md",
            "# Ideas\n\nA bench under the oak.\nA kite.\n",
        ),
        (
            &*desktop,
            &*laptop,
            "Recipes/bread.txt",
            "500 g flour\n380 g water\n10 g salt\n",
        ),
    ] {
        let mark = to.events()?.mark();
        let begun = Instant::now();
        from.write(path, content)?;
        to.wait_after(mark, "change", |event| is_change(event, path, "down"))?;
        let n_ms = begun.elapsed().as_millis();
        settle(&[from, to])?;
        ensure!(to.read(path)? == content, "{path} is not the same on {}", to.name);
        println!(
            "   {path}, saved on the {}, was on the {} after {n_ms} ms.",
            from.name, to.name
        );
    }
    Ok(())
}

fn is_change(event: &Event, path: &str, direction: &str) -> bool {
    event.is("change") && event.text("path") == path && event.text("direction") == direction
}

fn rename_a_directory(stage: &mut Stage) -> Result<()> {
    let Stage { laptop, desktop, .. } = stage;
    let before = laptop.tree()?;
    laptop.rename("Photos", "Pictures")?;
    let after = settle(&[laptop, desktop])?;
    for (path, seen) in &before {
        let moved = match path.strip_prefix(b"Photos") {
            Some(rest) => [b"Pictures", rest].concat(),
            None => path.clone(),
        };
        ensure!(
            after.get(&moved) == Some(seen),
            "{} is missing",
            String::from_utf8_lossy(&moved)
        );
    }
    ensure!(after.len() == before.len(), "there is more than before");
    println!("   'Photos' is 'Pictures' on both, with all that was in it.");
    Ok(())
}

const LAPTOP_TODO: &str = "buy flour\nwrite to Ada\nmend the gate\n";
const DESKTOP_TODO: &str = "buy rye flour\nwrite to Ada\n";

fn make_a_conflict(stage: &mut Stage) -> Result<()> {
    let Stage { laptop, desktop, .. } = stage;
    desktop.stop()?;
    laptop.write("Notes/todo.txt", LAPTOP_TODO)?;
    laptop.wait_synced()?;
    desktop.write("Notes/todo.txt", DESKTOP_TODO)?;
    desktop.start()?;
    settle(&[laptop, desktop])?;

    ensure!(
        desktop.read("Notes/todo.txt")? == LAPTOP_TODO,
        "the first accepted edit does not have the name"
    );
    let copy = conflict_copy(laptop)?.context("there is no conflict copy")?;
    ensure!(
        laptop.read(&copy)? == DESKTOP_TODO,
        "the conflict copy is not the other edit"
    );
    for device in [&*laptop, &*desktop] {
        let conflicts = device.json("conflicts", &[])?;
        ensure!(
            conflicts.len() == 1,
            "{} lists {} conflicts",
            device.name,
            conflicts.len()
        );
    }
    println!("   The laptop's edit was first and keeps the name 'Notes/todo.txt'.");
    println!("   The desktop's is kept beside it as '{copy}'. Both devices list the conflict.");
    Ok(())
}

/// Finds the path of the one conflict copy in the folder.
fn conflict_copy(device: &Device) -> Result<Option<String>> {
    let paths = device
        .tree()?
        .into_keys()
        .map(|path| String::from_utf8_lossy(&path).into_owned());
    Ok(paths.into_iter().find(|path| path.contains("(conflict, ")))
}

fn resolve_the_conflict(stage: &mut Stage) -> Result<()> {
    let Stage { laptop, desktop, .. } = stage;
    laptop.command("resolve", &["Notes/todo.txt", "that"])?.ok()?;
    settle(&[laptop, desktop])?;
    for device in [&*laptop, &*desktop] {
        ensure!(
            device.read("Notes/todo.txt")? == DESKTOP_TODO,
            "{} kept the other side",
            device.name
        );
        ensure!(
            conflict_copy(device)?.is_none(),
            "{} still has the copy",
            device.name
        );
        ensure!(
            device.json("conflicts", &[])?.is_empty(),
            "{} still lists the conflict",
            device.name
        );
    }
    println!("   On the laptop 'that' side was chosen; the conflict is gone from both.");
    Ok(())
}

fn restore_an_older_version(stage: &mut Stage) -> Result<()> {
    let Stage { laptop, desktop, .. } = stage;
    let path = "Notes/ideas.md";
    let history = desktop.json("history", &[path])?;
    let oldest = history.iter().filter_map(|item| item.number("journal")).min();
    let oldest = oldest.context("the history is empty")?.to_string();
    desktop.command("restore", &[path, "--version", &oldest])?.ok()?;
    settle(&[laptop, desktop])?;
    ensure!(laptop.read(path)? == sample::IDEAS, "that is not how it was");
    println!(
        "   '{path}' has {} versions; number {oldest}, the first, is back on both.",
        history.len()
    );
    Ok(())
}

fn check_the_store(stage: &mut Stage) -> Result<()> {
    stage.laptop.stop()?;
    stage.desktop.stop()?;
    stage.server.terminate()?.ok()?;
    stage.server.admin(&["verify"])?.ok()?;
    println!("   The clients and the server ended in good order, and the store is whole.");
    Ok(())
}
