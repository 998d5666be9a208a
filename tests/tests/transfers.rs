//! Large transfers that are broken off: by a cut network, by a killed client, by a killed server.

use anyhow::{Result, ensure};
use std::time::Duration;
use tests::noise::Noise;
use tests::{Device, Join, Proxy, World, settle};

/// The size of the file that is sent, in bytes.
const LARGE_LEN: u64 = 64 << 20;
/// What may pass in all: the file, what was on its way at the cut, and some bookkeeping.
const PASSED_MAX: u64 = LARGE_LEN + LARGE_LEN / 4;

fn large_file() -> Vec<u8> {
    Noise::new(64).bytes(usize::try_from(LARGE_LEN).expect("64 MiB fit in memory"))
}

/// Waits until so many more bytes have passed, and with that the network is cut.
fn cut_in_the_middle(proxy: &Proxy, device: &Device) -> Result<()> {
    ensure!(
        proxy.wait_cut(Duration::from_secs(60)),
        "the transfer does not get on\n{}",
        device.output()
    );
    Ok(())
}

#[test]
fn an_upload_goes_on_where_it_was_when_the_network_was_cut_and_the_client_killed() -> Result<()> {
    let mut world = World::start()?;
    let proxy = Proxy::new(world.server.address())?;
    let mut first = Device::join(world.home(), "a", Join::New(proxy.address().to_string()))?;
    world.adopt(&first)?;
    proxy.cut_after(LARGE_LEN / 2);
    first.write("large.bin", large_file())?;
    cut_in_the_middle(&proxy, &first)?;
    first.kill()?;
    proxy.mend();
    first.start()?;
    first.wait_synced()?;
    let n_passed = proxy.bytes_passed();
    assert!(n_passed < PASSED_MAX, "{n_passed} bytes passed");
    let second = world.device("b")?;
    settle(&[&first, &second])?;
    Ok(())
}

#[test]
fn a_download_goes_on_where_it_was_when_the_client_was_killed_and_shows_no_part_of_the_file() -> Result<()> {
    let (world, [first]) = World::with_devices()?;
    first.write("large.bin", large_file())?;
    first.wait_synced()?;
    let proxy = Proxy::new(world.server.address())?;
    let join = Join::Id {
        server: proxy.address().to_string(),
        id: first.id()?,
        fingerprint: world.server.fingerprint().to_owned(),
    };
    let mut second = Device::prepare(world.home(), "b", join)?;
    proxy.cut_after(LARGE_LEN / 2);
    second.launch()?;
    cut_in_the_middle(&proxy, &second)?;
    second.kill()?;
    assert!(second.tree()?.is_empty(), "a part of the file is seen");
    proxy.mend();
    second.start()?;
    settle(&[&first, &second])?;
    let n_passed = proxy.bytes_passed();
    assert!(n_passed < PASSED_MAX, "{n_passed} bytes passed");
    Ok(())
}

#[test]
fn an_edit_of_a_large_file_fetches_only_what_is_new_also_where_the_file_was_fetched_itself() -> Result<()> {
    let (world, [first]) = World::with_devices()?;
    let mut bytes = large_file();
    first.write("large.bin", &bytes)?;
    first.wait_synced()?;
    let proxy = Proxy::new(world.server.address())?;
    let join = Join::Id {
        server: proxy.address().to_string(),
        id: first.id()?,
        fingerprint: world.server.fingerprint().to_owned(),
    };
    let second = Device::join(world.home(), "b", join)?;
    settle(&[&first, &second])?;
    let n_before = proxy.bytes_passed();
    for edit in 1..=2 {
        bytes.insert(bytes.len() / 3, edit);
        first.put("large.bin", &bytes)?;
        settle(&[&first, &second])?;
    }
    let n_passed = proxy.bytes_passed() - n_before;
    assert!(n_passed < LARGE_LEN / 16, "{n_passed} bytes passed");
    Ok(())
}

#[test]
fn an_upload_survives_a_server_that_is_killed_in_the_middle() -> Result<()> {
    let mut world = World::start()?;
    let proxy = Proxy::new(world.server.address())?;
    let first = Device::join(world.home(), "a", Join::New(proxy.address().to_string()))?;
    world.adopt(&first)?;
    proxy.cut_after(LARGE_LEN / 2);
    first.write("large.bin", large_file())?;
    cut_in_the_middle(&proxy, &first)?;
    world.server.kill()?;
    world.server.start_again()?;
    proxy.mend();
    first.wait_synced()?;
    let second = world.device("b")?;
    settle(&[&first, &second])?;
    world.server.terminate()?;
    world.server.admin(&["verify"])?.ok()?;
    Ok(())
}

#[test]
fn a_stalled_network_is_no_loss_and_small_things_pass_when_it_is_slow() -> Result<()> {
    let mut world = World::start()?;
    let proxy = Proxy::new(world.server.address())?;
    let first = Device::join(world.home(), "a", Join::New(proxy.address().to_string()))?;
    world.adopt(&first)?;
    let second = world.device("b")?;
    proxy.stall();
    first.write("held.txt", "held back")?;
    second.write("meanwhile.txt", "meanwhile")?;
    second.wait_synced()?;
    assert!(!second.path("held.txt").exists());
    proxy.delay(Duration::from_millis(20));
    settle(&[&first, &second])?;
    assert_eq!(second.read("held.txt")?, "held back");
    Ok(())
}

#[test]
fn a_small_edit_overtakes_a_large_upload() -> Result<()> {
    let mut world = World::start()?;
    let proxy = Proxy::new(world.server.address())?;
    let first = Device::join(world.home(), "a", Join::New(proxy.address().to_string()))?;
    world.adopt(&first)?;
    let second = world.device("b")?;
    proxy.delay(Duration::from_millis(10));
    first.write("large.bin", large_file())?;
    first.wait_for("progress", |event| event.is("progress"))?;
    first.write("small.txt", "small")?;
    second.wait_for("the small file", |event| {
        event.is("change") && event.text("path") == "small.txt"
    })?;
    assert!(
        !second.path("large.bin").exists(),
        "the large file was there before the small one"
    );
    proxy.mend();
    settle(&[&first, &second])?;
    Ok(())
}

#[test]
fn a_server_killed_again_and_again_loses_nothing_that_was_synced() -> Result<()> {
    let (mut world, [first, second]) = World::with_devices()?;
    for n_round in 0..5 {
        for n in 0..10 {
            first.write(&format!("{n_round}/{n}.txt"), format!("{n_round} {n}"))?;
        }
        if n_round % 2 == 0 {
            first.wait_synced()?;
        }
        world.server.kill()?;
        world.server.start_again()?;
    }
    let tree = settle(&[&first, &second])?;
    assert_eq!(tree.len(), 55);
    world.server.restart()?;
    settle(&[&first, &second])?;
    for n_round in 0..5 {
        for n in 0..10 {
            assert_eq!(
                second.read(&format!("{n_round}/{n}.txt"))?,
                format!("{n_round} {n}")
            );
        }
    }
    Ok(())
}

#[test]
fn a_client_killed_again_and_again_leaves_nothing_half_done() -> Result<()> {
    let (_world, [first, mut second]) = World::with_devices()?;
    for n_round in 0..4_u64 {
        let mark = second.events()?.mark();
        for n in 0..20 {
            first.write(&format!("{n}.bin"), Noise::new(n_round * 100 + n).bytes(40_000))?;
        }
        second.wait_after(mark, "change", |event| event.is("change"))?;
        second.kill()?;
        second.write(&format!("mine {n_round}.txt"), "mine")?;
        second.start()?;
    }
    let tree = settle(&[&first, &second])?;
    assert_eq!(tree.len(), 24, "{:?}", tree.keys());
    for n in 0..20 {
        let last = Noise::new(300 + n).bytes(40_000);
        ensure!(
            std::fs::read(second.path(&format!("{n}.bin")))? == last,
            "{n}.bin"
        );
    }
    Ok(())
}
