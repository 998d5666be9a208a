//! I18: clocks that are years apart, and a server's that jumps, change no outcome. The programs are given another time by
//! libfaketime; where there is none, these tests say so and check nothing.

#![cfg(unix)]

use crate::support::{expected, n_conflicts, picture};
use anyhow::Result;
use std::path::PathBuf;
use tests::{Device, ServerOptions, Tokens, World, account, settle};

/// Where libfaketime is, when it is not where packages put it.
const FAKETIME_VAR: &str = "HOLDFAST_FAKETIME";

/// Returns the command line that shifts the clock of the program that it runs, such as by `-10y`.
fn shifted(by: &str) -> Option<Vec<String>> {
    let places = [
        std::env::var_os(FAKETIME_VAR).map(PathBuf::from),
        Some("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1".into()),
        Some("/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1".into()),
    ];
    let Some(library) = places.into_iter().flatten().find(|path| path.is_file()) else {
        eprintln!("libfaketime is not here, so clocks that are wrong were not tried");
        return None;
    };
    let settings = [
        "env".to_owned(),
        format!("LD_PRELOAD={}", library.display()),
        format!("FAKETIME={by}"),
        "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
        "NO_FAKE_STAT=1".to_owned(),
        // Nothing that outlives a killed program.
        "FAKETIME_DISABLE_SHM=1".to_owned(),
    ];
    Some(settings.to_vec())
}

/// Starts a server and two devices, of which one lives ten years ago and the other in ten years.
fn out_of_step() -> Result<Option<(World, Device, Device)>> {
    let (Some(past), Some(future), Some(tomorrow)) = (shifted("-10y"), shifted("+10y"), shifted("+1d"))
    else {
        return Ok(None);
    };
    let mut world = World::start_with(ServerOptions {
        run_by: tomorrow,
        ..ServerOptions::default()
    })?;
    let mut first = world.prepare("a")?;
    first.run_by = past;
    first.start()?;
    first.wait_synced()?;
    world.adopt(&first)?;
    let mut second = world.prepare("b")?;
    second.run_by = future;
    second.start()?;
    second.wait_synced()?;
    Ok(Some((world, first, second)))
}

#[test]
fn clocks_that_are_years_apart_decide_nothing() -> Result<()> {
    let Some((mut world, mut first, mut second)) = out_of_step()? else {
        return Ok(());
    };
    for name in ["both.txt", "kept a.txt", "kept b.txt", "gone.txt"] {
        first.write(name, "old")?;
    }
    settle(&[&first, &second])?;
    second.stop()?;
    first.write("both.txt", "of a")?;
    first.write("kept a.txt", "edited by a")?;
    first.delete("kept b.txt")?;
    first.delete("gone.txt")?;
    first.wait_synced()?;
    first.stop()?;
    // The server's clock goes back while nobody is connected.
    world.server.options.run_by = shifted("-1d").unwrap_or_default();
    world.server.restart()?;
    second.write("both.txt", "of b")?;
    second.delete("kept a.txt")?;
    second.write("kept b.txt", "edited by b")?;
    second.start()?;
    first.start()?;
    settle(&[&first, &second])?;
    let wanted = expected([
        ("both.txt", "of a"),
        ("both (conflict, b).txt", "of b"),
        ("kept a.txt", "edited by a"),
        ("kept b.txt", "edited by b"),
    ]);
    assert_eq!(picture(&first)?, wanted);
    assert_eq!(n_conflicts(&first)?, 1);
    account(&world, &[&first, &second], Tokens::new())
}

#[test]
fn what_is_deleted_and_made_anew_between_clocks_years_apart_ends_with_the_last() -> Result<()> {
    let Some((world, first, second)) = out_of_step()? else {
        return Ok(());
    };
    for _ in 0..30 {
        first.write("f.txt", Tokens::fresh())?;
        first.delete("f.txt")?;
        second.write("g.txt", Tokens::fresh())?;
        second.delete("g.txt")?;
    }
    let mut tokens = Tokens::new();
    tokens.write(&first.path("f.txt"))?;
    tokens.write(&second.path("g.txt"))?;
    let tree = settle(&[&first, &second])?;
    assert_eq!(tree.len(), 2, "{tree:?}");
    assert_eq!(n_conflicts(&first)?, 0);
    // Nothing was given up or shut out because of its age.
    world.server.admin(&["prune"])?.ok()?;
    account(&world, &[&first, &second], tokens)
}

/// S18: neither the dates of certificates nor the clocks of those who read them matter.
#[test]
fn a_key_is_rotated_between_clocks_years_apart() -> Result<()> {
    let Some((mut world, first, mut second)) = out_of_step()? else {
        return Ok(());
    };
    second.stop()?;
    let mark = first.events()?.mark();
    let rotated = world.server.rotate_key()?;
    first.wait_after(mark, "account", |event| {
        event.is("account") && event.text("fingerprint") == rotated
    })?;
    world.server.terminate()?;
    world.server.options.run_by = shifted("+4000d").unwrap_or_default();
    world.server.rotate_key()?;
    world.server.start_again()?;
    let mut tokens = Tokens::new();
    tokens.write(&first.path("of a.txt"))?;
    tokens.write(&second.path("of b.txt"))?;
    second.start()?;
    settle(&[&first, &second])?;
    account(&world, &[&first, &second], tokens)
}
