//! How devices come to an account, and how they leave it.

use crate::support::{apart, expected, n_conflicts, picture};
use anyhow::{Context as _, Result};
use tests::{Device, Join, World, settle};

#[test]
fn a_full_folder_that_joins_a_full_account_makes_the_union_of_both() -> Result<()> {
    let (world, [first]) = World::with_devices()?;
    let mut world = world;
    first.write("shared.txt", "same")?;
    first.write("differs.txt", "of a")?;
    first.write("album/a.txt", "a")?;
    first.wait_synced()?;
    let mut second = world.prepare("b")?;
    second.write("shared.txt", "same")?;
    second.write("differs.txt", "of b")?;
    second.write("album/b.txt", "b")?;
    second.start()?;
    settle(&[&first, &second])?;
    assert_eq!(
        picture(&first)?,
        expected([
            ("album/", ""),
            ("album/a.txt", "a"),
            ("album/b.txt", "b"),
            ("differs.txt", "of a"),
            ("differs (conflict, b).txt", "of b"),
            ("shared.txt", "same"),
        ])
    );
    assert_eq!(n_conflicts(&second)?, 1);
    let third = world.device("c")?;
    settle(&[&first, &second, &third])?;
    Ok(())
}

#[test]
fn an_account_is_told_at_first_contact_and_kept_from_then_on() -> Result<()> {
    let (_world, [mut first]) = World::with_devices()?;
    let told = first.wait_for("account", |event| event.is("account"))?;
    let id = told.text("id").to_owned();
    assert_eq!(first.id()?, id);
    first.stop()?;
    first.start()?;
    let told_again = first.wait_for("account", |event| event.is("account"))?;
    assert_eq!(told_again.text("handle"), told.text("handle"));
    assert_eq!(first.id()?, id);
    Ok(())
}

#[test]
fn an_id_and_a_fingerprint_are_as_good_as_the_link() -> Result<()> {
    let (world, [first]) = World::with_devices()?;
    first.write("a.txt", "a")?;
    let join = Join::Id {
        server: world.address(),
        id: first.id()?.to_lowercase(),
        fingerprint: world.server.fingerprint().to_uppercase(),
    };
    let second = Device::join(world.home(), "b", join)?;
    settle(&[&first, &second])?;
    Ok(())
}

#[test]
fn two_accounts_on_one_server_know_nothing_of_each_other() -> Result<()> {
    let (world, [first]) = World::with_devices()?;
    let stranger = Device::join(world.home(), "stranger", Join::New(world.address()))?;
    first.write("mine.txt", "same bytes")?;
    stranger.write("theirs.txt", "same bytes")?;
    first.wait_synced()?;
    stranger.wait_synced()?;
    assert_eq!(picture(&first)?, expected([("mine.txt", "same bytes")]));
    assert_eq!(picture(&stranger)?, expected([("theirs.txt", "same bytes")]));
    assert_ne!(first.id()?, stranger.id()?);
    let devices = first.json("devices", &[])?;
    assert_eq!(devices.len(), 1, "{devices:?}");
    Ok(())
}

#[test]
fn a_revoked_device_is_shut_out_and_keeps_its_files() -> Result<()> {
    let (_world, [first, mut second]) = World::with_devices()?;
    first.write("a.txt", "a")?;
    settle(&[&first, &second])?;
    let told = first.command("devices", &["revoke", "b"])?.ok()?;
    assert!(told.stdout.contains("replace-id"), "{told:?}");
    assert_eq!(second.finish()?.code, Some(5));
    first.write("later.txt", "later")?;
    first.wait_synced()?;
    second.once(&[])?.with_code(5)?;
    assert_eq!(picture(&second)?, expected([("a.txt", "a")]));
    Ok(())
}

#[test]
fn a_replaced_id_admits_new_devices_and_the_old_one_does_not() -> Result<()> {
    let (world, [first]) = World::with_devices()?;
    let join = |id: String| Join::Id {
        server: world.address(),
        id,
        fingerprint: world.server.fingerprint().to_owned(),
    };
    let old = first.id()?;
    first.command("devices", &["replace-id"])?.ok()?;
    let new = first.id()?;
    assert_ne!(old, new);
    let late = Device::prepare(world.home(), "late", join(old))?;
    late.once(&[])?.with_code(5)?;
    let second = Device::join(world.home(), "b", join(new))?;
    first.write("a.txt", "a")?;
    settle(&[&first, &second])?;
    Ok(())
}

#[test]
fn devices_are_listed_with_their_names() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    second.wait_synced()?;
    let devices = first.json("devices", &[])?;
    let mut names: Vec<&str> = devices.iter().map(|device| device.text("name")).collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b"]);
    Ok(())
}

#[test]
fn the_link_names_the_server_the_account_and_the_fingerprint() -> Result<()> {
    let (world, [first]) = World::with_devices()?;
    let link = first.link()?;
    let rest = link.strip_prefix("holdfast://").context("another scheme")?;
    let (address, rest) = rest.split_once('/').context("no path")?;
    let (id, fingerprint) = rest.split_once('#').context("no fragment")?;
    assert_eq!(address, world.address());
    assert_eq!(id, first.id()?);
    assert_eq!(fingerprint, world.server.fingerprint());
    Ok(())
}

/// Two folders of one computer, which gives both devices its own name.
#[test]
fn two_devices_of_one_computer_have_two_names() -> Result<()> {
    let mut world = World::start()?;
    let mut first = world.prepare("one")?;
    "vm".clone_into(&mut first.name);
    first.write("plan.txt", "base")?;
    first.start()?;
    first.wait_synced()?;
    world.adopt(&first)?;
    let mut second = world.prepare("two")?;
    "vm".clone_into(&mut second.name);
    second.start()?;
    settle(&[&first, &second])?;
    let name_of =
        |device: &Device| -> Result<String> { Ok(device.json("status", &[])?[0].text("device").to_owned()) };
    assert_eq!(
        (name_of(&first)?, name_of(&second)?),
        ("vm".into(), "vm-2".into())
    );
    apart(
        &first,
        &mut second,
        |first| first.write("plan.txt", "of vm"),
        |second| second.write("plan.txt", "of vm-2"),
    )?;
    let picture = picture(&first)?;
    assert_eq!(
        picture,
        expected([("plan.txt", "of vm"), ("plan (conflict, vm-2).txt", "of vm-2")])
    );
    first.command("devices", &["rename", "vm-2", "VM"])?.ok()?;
    let names = first.json("devices", &[])?;
    let names: Vec<&str> = names.iter().map(|device| device.text("name")).collect();
    assert_eq!(names, ["vm", "VM-2"]);
    first.command("devices", &["revoke", "VM-2"])?.ok()?;
    assert_eq!(second.finish()?.code, Some(5));
    Ok(())
}

#[test]
fn an_id_that_another_device_replaced_is_never_shown_again() -> Result<()> {
    let (_world, [first, mut second]) = World::with_devices()?;
    let old = second.id()?;
    let is_told = |finished: &tests::Finished| {
        let told = [&finished.stdout, &finished.stderr];
        assert!(told.iter().all(|text| !text.contains(&old)), "{finished:?}");
        assert!(
            told.iter()
                .any(|text| text.contains("was replaced on another device")),
            "{finished:?}"
        );
    };
    first.command("devices", &["replace-id"])?.ok()?;
    // While the client runs it asks the server; afterwards it is remembered.
    for name in ["id", "link"] {
        is_told(&second.command(name, &[])?.with_code(1)?);
    }
    is_told(&second.command("status", &["--json"])?.with_code(0)?);
    second.stop()?;
    is_told(&second.command("id", &[])?.with_code(1)?);
    is_told(&second.command("status", &["--json"])?.with_code(4)?);
    second.start()?;
    let account = second.wait_for("the account", |event| event.is("account"))?;
    assert_eq!((account.text("handle"), account.text("id")), ("", ""));
    first.write("file.txt", "still in the account")?;
    settle(&[&first, &second])?;

    second.command("devices", &["replace-id"])?.ok()?;
    let new = second.id()?;
    assert_ne!(new, old);
    assert!(
        !second
            .command("status", &["--json"])?
            .ok()?
            .stdout
            .contains("was replaced")
    );
    is_told(&first.command("id", &[])?.with_code(1)?);
    Ok(())
}

#[test]
fn a_device_that_was_away_when_the_id_was_replaced_says_so_at_its_next_start() -> Result<()> {
    let (_world, [first, mut second]) = World::with_devices()?;
    second.stop()?;
    first.command("devices", &["replace-id"])?.ok()?;
    second.start()?;
    second.wait_for("word of it", |event| {
        event.is("error") && event.text("what").contains("was replaced on another device")
    })?;
    first.write("file.txt", "x")?;
    settle(&[&first, &second])?;
    Ok(())
}
