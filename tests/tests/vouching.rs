//! I34: what is stored decides, and not what a start is told: whom an ID is told to, where the server is, and whose a
//! folder is.

use anyhow::{Context as _, Result, ensure};
use common::certificate::Certificate;
use common::message::Request;
use std::path::Path;
use std::sync::Arc;
use tests::device::PATIENCE;
use tests::rogue::{EPOCH, Nodes, Rogue, Script, honest};
use tests::{Device, Finished, Join, World, settle};

/// Runs a device's client once, with nothing but these arguments.
fn once(device: &Device, arguments: &[&str]) -> Result<Finished> {
    let mut command = device.client()?;
    command.args(["--headless", "--once", "--json"]).args(arguments);
    tests::process::run(&device.name, &mut command, PATIENCE)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is text")
}

fn polite() -> Script {
    Arc::new(|request: &Request| honest(request, EPOCH, &Nodes::new()))
}

/// A server with a key of its own in the place of another.
fn impostor(address: &str, script: Script) -> Result<Rogue> {
    Rogue::start_as(address.parse()?, &Certificate::generate(&[])?, script)
}

fn is_hello(request: &Request) -> bool {
    matches!(request, Request::Hello(_))
}

#[test]
fn after_a_first_start_that_came_to_nothing_the_id_goes_to_no_other_key() -> Result<()> {
    let (mut world, [mut first]) = World::with_devices()?;
    let (link, id) = (first.link()?, first.id()?);
    let (address, key) = (world.address(), world.server.fingerprint().to_owned());
    first.stop()?;
    world.server.terminate()?;

    let fresh = |name: &str| Device::prepare(world.home(), name, Join::New(address.clone()));
    let (away, away_too, between) = (fresh("b")?, fresh("c")?, fresh("d")?);
    once(&away, &[&link, text(&away.folder)?])?.with_code(4)?;
    let by_id = [
        address.as_str(),
        text(&away_too.folder)?,
        "--id",
        &id,
        "--fingerprint",
        &key,
    ];
    once(&away_too, &by_id)?.with_code(4)?;
    let rogue = impostor(&address, polite())?;
    once(&between, &[&link, text(&between.folder)?])?.with_code(5)?;

    for device in [&away, &away_too, &between] {
        let folder = text(&device.folder)?;
        let alone = once(device, &[folder])?;
        assert_eq!(alone.code, Some(2), "{alone:?}");
        once(device, &[&address, folder])?.with_code(5)?;
        once(device, &[&address, folder, "--trust-first-use"])?.with_code(5)?;
    }
    assert_eq!(rogue.n_heard(is_hello), 0);
    drop(rogue);

    // What was said at first is kept all the same: where the key answers, the folder joins.
    world.server.start_again()?;
    once(&away, &[&address, text(&away.folder)?])?.with_code(0)?;
    once(&away, &[text(&away.folder)?])?.with_code(0)?;
    first.start()?;
    assert_eq!(away.id()?, id);
    Ok(())
}

#[test]
fn whoever_was_trusted_at_first_use_is_the_only_one_even_if_nothing_came_of_it() -> Result<()> {
    let (world, [first]) = World::with_devices()?;
    let id = first.id()?;
    let deaf: Script = Arc::new(|_: &Request| Vec::new());
    let one = Rogue::start(deaf)?;
    let address = one.address();
    let device = Device::prepare(world.home(), "b", Join::New(address.clone()))?;
    let arguments = ["--id", id.as_str(), "--trust-first-use", address.as_str()];
    let arguments = [&arguments[..], &[text(&device.folder)?]].concat();
    let mut command = device.client()?;
    command.args(["--headless", "--json"]).args(&arguments);
    let cut_off = tests::process::Process::start("a first start", &mut command)?;
    one.wait_heard("a hello", 1, is_hello)?;
    cut_off.kill();
    cut_off.finish(PATIENCE)?;
    drop(one);
    let other = impostor(&address, polite())?;
    once(&device, &arguments)?.with_code(5)?;
    assert_eq!(other.n_heard(is_hello), 0);
    Ok(())
}

#[test]
fn who_was_asked_for_an_account_in_vain_is_not_told_an_id() -> Result<()> {
    let (world, [first]) = World::with_devices()?;
    let id = first.id()?;
    let refusing: Script = Arc::new(|_: &Request| {
        let closed = common::message::Reply::Refused(common::message::Refusal::Closed);
        vec![tests::rogue::Said::Reply(closed, Vec::new())]
    });
    let rogue = Rogue::start(refusing)?;
    let address = rogue.address();
    let device = Device::prepare(world.home(), "b", Join::New(address.clone()))?;
    let folder = text(&device.folder)?;
    once(&device, &[&address, folder])?.with_code(5)?;
    assert_eq!(rogue.n_heard(is_hello), 1);
    once(&device, &[&address, folder, "--id", &id])?.with_code(5)?;
    assert_eq!(rogue.n_heard(is_hello), 1);
    // Nor does that server stand in the way of another one.
    once(&device, &[&world.address(), folder])?.with_code(0)?;
    Ok(())
}

#[test]
fn an_address_is_kept_once_the_trusted_key_has_answered_there() -> Result<()> {
    let (mut world, [mut device]) = World::with_devices()?;
    device.stop()?;
    let folder = text(&device.folder)?;
    let rogue = Rogue::start(polite())?;
    for (typed, code) in [
        (&["stat"][..], 4),
        (&["nowhere.invalid"], 4),
        (&[rogue.address().as_str()], 5),
    ] {
        let mistyped = once(&device, &[typed, &[folder]].concat())?;
        assert_eq!(mistyped.code, Some(code), "{typed:?}: {mistyped:?}");
        once(&device, &[folder])?.with_code(0)?;
    }
    assert_eq!(rogue.n_heard(is_hello), 0);
    world.server.terminate()?;
    let before = world.address();
    world.server.start_elsewhere()?;
    assert_ne!(world.address(), before);
    let gone = once(&device, &[folder])?;
    assert_eq!(gone.code, Some(4), "{gone:?}");
    once(&device, &[&world.address(), folder])?.with_code(0)?;
    once(&device, &[folder])?.with_code(0)?;
    Ok(())
}

#[test]
fn the_screen_does_not_draw_on_a_pipe() -> Result<()> {
    let (_world, [mut device]) = World::with_devices()?;
    device.stop()?;
    let folder = text(&device.folder)?;
    for arguments in [&["stat", folder][..], &[folder], &[]] {
        let mut command = device.client()?;
        let finished = tests::process::run("no screen", command.args(arguments), PATIENCE)?;
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(!format!("{}{}", finished.stdout, finished.stderr).contains('\u{1b}'));
    }
    Ok(())
}

#[test]
fn a_folder_that_nobody_enrolled_is_not_made_by_a_mistyped_command() -> Result<()> {
    let world = World::start()?;
    let device = Device::prepare(world.home(), "a", Join::New(world.address()))?;
    let mistyped = device.path("statsu");
    once(&device, &[text(&mistyped)?])?.with_code(2)?;
    assert!(!mistyped.exists());
    once(&device, &[text(&device.folder)?])?.with_code(2)?;
    assert!(!device.path(".holdfast").exists());
    Ok(())
}

#[test]
fn an_enrolled_folder_is_not_taken_by_another_configuration() -> Result<()> {
    let (world, [mut first, second]) = World::with_devices()?;
    first.write("x.txt", "x")?;
    first.write("keep.txt", "keep")?;
    settle(&[&first, &second])?;
    first.stop()?;
    let n_accounts = || {
        Ok::<_, anyhow::Error>(
            world
                .server
                .admin(&["account", "list"])?
                .ok()?
                .stdout
                .lines()
                .count(),
        )
    };
    let before = n_accounts()?;

    let own = std::mem::replace(&mut first.config, world.home().join("other"));
    std::fs::create_dir(&first.config)?;
    let folder = first.folder.clone();
    for arguments in [&[world.address().as_str(), text(&folder)?][..], &[text(&folder)?]] {
        let refused = once(&first, arguments)?;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let said = refused.stderr;
        assert!(
            ["error: ", "done: ", "next: "]
                .iter()
                .all(|part| said.contains(part)),
            "{said}"
        );
    }
    assert_eq!(n_accounts()?, before);
    first.config = own;

    second.delete("x.txt")?;
    second.wait_synced()?;
    first.start()?;
    settle(&[&first, &second])?;
    ensure!(!first.path("x.txt").exists(), "a deletion was undone");
    assert_eq!(first.json("devices", &[])?.len(), 2);
    Ok(())
}

#[test]
fn an_enrolled_folder_whose_secrets_are_lost_joins_anew_by_its_link() -> Result<()> {
    let (world, [first, mut second]) = World::with_devices()?;
    first.write("x.txt", "x")?;
    settle(&[&first, &second])?;
    second.stop()?;
    let link = first.link()?;
    std::fs::remove_dir_all(&second.config)?;
    std::fs::create_dir(&second.config)?;
    once(&second, &[&world.address(), text(&second.folder)?])?.with_code(1)?;
    once(&second, &[&link, text(&second.folder)?])?.with_code(0)?;
    assert_eq!(second.read("x.txt")?, "x");
    Ok(())
}

/// I27: what stands among a program's arguments, every user of the computer sees.
#[cfg(unix)]
#[test]
fn the_id_need_not_stand_among_the_arguments() -> Result<()> {
    let (world, [first]) = World::with_devices()?;
    let (link, id) = (first.link()?, first.id()?);
    let (of_link, of_id) = (world.home().join("link"), world.home().join("id"));
    std::fs::write(&of_link, format!("{link}\n"))?;
    std::fs::write(&of_id, format!("{id}\n"))?;
    let (address, key) = (world.address(), world.server.fingerprint());
    let pinned = [address.as_str(), "FOLDER", "--fingerprint", key];
    let ways: [(Vec<&str>, &Path); 4] = [
        (["-", "FOLDER"].to_vec(), &of_link),
        (
            ["--link-file", text(&of_link)?, "FOLDER"].to_vec(),
            Path::new("/dev/null"),
        ),
        ([&pinned[..], &["--id", "-"]].concat(), &of_id),
        (
            [&pinned[..], &["--id-file", text(&of_id)?]].concat(),
            Path::new("/dev/null"),
        ),
    ];
    for (number, (arguments, input)) in ways.into_iter().enumerate() {
        let mut device = Device::prepare(world.home(), &format!("b{number}"), Join::New(address.clone()))?;
        let with_input = format!("exec \"$0\" \"$@\" < '{}'", input.display());
        device.run_by = ["sh", "-c", &with_input].map(str::to_owned).to_vec();
        let folder = text(&device.folder)?;
        let arguments: Vec<&str> = arguments
            .iter()
            .map(|argument| if *argument == "FOLDER" { folder } else { argument })
            .collect();
        assert!(!arguments.iter().any(|argument| argument.contains(&id)));
        let joined = once(&device, &arguments)?.with_code(0)?;
        assert!(!joined.stdout.contains(&id), "{}", joined.stdout);
        assert_eq!(device.id()?, id, "{arguments:?}");
    }
    Ok(())
}
