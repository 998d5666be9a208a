//! What a file is apart from its name: bytes of every size, attributes, symbolic links.

use anyhow::Result;
use std::fs::{self, File};
use std::time::{Duration, SystemTime};
use tests::noise::Noise;
use tests::{World, settle};

#[test]
fn files_of_every_awkward_size_arrive_whole() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    let mut noise = Noise::new(7);
    for n_kib in [0, 1, 16, 64, 256, 1024, 5000] {
        for around in [0_usize, 1, 2] {
            let len = (n_kib * 1024 + around).saturating_sub(1);
            first.write(&format!("{len}.bin"), noise.bytes(len))?;
        }
    }
    first.write("zeros.bin", vec![0; 3_000_000])?;
    settle(&[&first, &second])?;
    Ok(())
}

#[test]
fn a_small_edit_in_a_large_file_sends_little() -> Result<()> {
    let world = World::start()?;
    let proxy = tests::Proxy::new(world.server.address())?;
    let join = tests::Join::New(proxy.address().to_string());
    let first = tests::Device::join(world.home(), "a", join)?;
    let mut bytes = Noise::new(3).bytes(8 << 20);
    first.write("large.bin", &bytes)?;
    first.wait_synced()?;
    let n_before = proxy.bytes_passed();
    assert!((8 << 20) <= n_before, "the proxy is not in use");
    bytes[4 << 20] ^= 1;
    bytes.insert(1 << 20, 7);
    first.write("large.bin", &bytes)?;
    first.wait_synced()?;
    let n_sent = proxy.bytes_passed() - n_before;
    assert!(n_sent < 2 << 20, "{n_sent} bytes were sent for two");
    Ok(())
}

#[test]
fn the_time_of_a_file_travels_to_the_nanosecond() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_700);
    first.write("old.txt", "old")?;
    File::options()
        .write(true)
        .open(first.path("old.txt"))?
        .set_modified(time)?;
    settle(&[&first, &second])?;
    assert_eq!(fs::metadata(second.path("old.txt"))?.modified()?, time);
    Ok(())
}

#[cfg(unix)]
mod on_unix {
    use super::*;
    use crate::support::{expected, picture};
    use std::io::{Seek as _, SeekFrom, Write as _};
    use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::Path;
    use tests::{Device, settle_apart};

    #[test]
    fn the_executable_bit_travels_and_the_other_bits_do_not() -> Result<()> {
        let (_world, [first, second]) = World::with_devices()?;
        first.write("run.sh", "#!/bin/sh\n")?;
        fs::set_permissions(first.path("run.sh"), fs::Permissions::from_mode(0o4777))?;
        settle(&[&first, &second])?;
        let mode = fs::metadata(second.path("run.sh"))?.permissions().mode();
        assert_eq!(mode & 0o100, 0o100, "{mode:o}");
        assert_eq!(mode & 0o7000, 0, "{mode:o}");
        fs::set_permissions(second.path("run.sh"), fs::Permissions::from_mode(0o644))?;
        settle(&[&first, &second])?;
        assert_eq!(
            fs::metadata(first.path("run.sh"))?.permissions().mode() & 0o111,
            0
        );
        Ok(())
    }

    /// How many bytes a file takes on the disk.
    fn taken_bytes(path: &Path) -> Result<u64> {
        Ok(fs::metadata(path)?.blocks() * 512)
    }

    #[test]
    fn holes_of_sparse_files_stay_holes() -> Result<()> {
        let (_world, [first, mut second]) = World::with_devices()?;
        let make = |name: &str, len: u64, at: u64, bytes: &[u8]| -> Result<()> {
            let mut file = File::create(first.path(name))?;
            file.set_len(len)?;
            file.seek(SeekFrom::Start(at))?;
            Ok(file.write_all(bytes)?)
        };
        // With its bytes in the middle, at the end, and nowhere; and one that is small enough to travel in a commit.
        make("middle", 12 << 20, 5 << 20, &Noise::new(1).bytes(100_000))?;
        make("end", 4 << 20, (4 << 20) - 5, b"bytes")?;
        make("nowhere", (4 << 20) + 12_345, 0, b"")?;
        make("small", 60_000, 30_000, b"bytes")?;
        let names = ["middle", "end", "nowhere", "small"];
        if taken_bytes(&first.path("nowhere"))? > 1 << 20 {
            eprintln!("passed over: this disk makes no holes");
            return Ok(());
        }
        let check = |second: &Device| -> Result<()> {
            for name in names {
                let (made, come) = (taken_bytes(&first.path(name))?, taken_bytes(&second.path(name))?);
                assert!(come <= made + (64 << 10), "{name} takes {come} bytes for {made}");
            }
            Ok(())
        };
        settle(&[&first, &second])?;
        check(&second)?;
        make("middle", 12 << 20, 7 << 20, &Noise::new(2).bytes(100_000))?;
        settle(&[&first, &second])?;
        check(&second)?;
        // A copy that is kept of one in conflict.
        second.stop()?;
        make("middle", 12 << 20, 3 << 20, &Noise::new(3).bytes(100_000))?;
        first.wait_synced()?;
        let edited = File::options().write(true).open(second.path("middle"))?;
        edited.write_at(b"other", 1 << 20)?;
        second.launch()?;
        settle_apart(&[&first, &second], |trees| {
            trees.iter().all(|tree| tree.len() == names.len() + 1)
        })?;
        for device in [&first, &second] {
            for entry in fs::read_dir(&device.folder)? {
                let path = entry?.path();
                if path.is_file() {
                    assert!(taken_bytes(&path)? < 1 << 20, "{}", path.display());
                }
            }
        }
        check(&second)
    }

    #[test]
    fn symbolic_links_travel_as_what_they_say_and_are_never_followed() -> Result<()> {
        let (world, [first, second]) = World::with_devices()?;
        let outside = world.home().join("outside");
        fs::create_dir(&outside)?;
        fs::write(outside.join("secret.txt"), "secret")?;
        symlink(&outside, first.path("out"))?;
        symlink("nowhere", first.path("dangling"))?;
        symlink("loop", first.path("loop"))?;
        settle(&[&first, &second])?;
        let out = format!("-> {}", outside.display());
        assert_eq!(
            picture(&second)?,
            expected([("dangling", "-> nowhere"), ("loop", "-> loop"), ("out", &out)])
        );
        fs::remove_file(second.path("dangling"))?;
        symlink("elsewhere", second.path("dangling"))?;
        fs::remove_file(second.path("out"))?;
        settle(&[&first, &second])?;
        assert_eq!(
            picture(&first)?,
            expected([("dangling", "-> elsewhere"), ("loop", "-> loop")])
        );
        assert_eq!(fs::read_to_string(outside.join("secret.txt"))?, "secret");
        Ok(())
    }

    #[test]
    fn a_directory_that_is_replaced_by_a_link_is_not_written_through() -> Result<()> {
        let (world, [first, mut second]) = World::with_devices()?;
        let outside = world.home().join("outside");
        fs::create_dir(&outside)?;
        first.write("box/one.txt", "1")?;
        settle(&[&first, &second])?;
        second.stop()?;
        first.write("box/two.txt", "2")?;
        first.wait_synced()?;
        fs::remove_dir_all(second.path("box"))?;
        symlink(&outside, second.path("box"))?;
        second.start()?;
        settle(&[&first, &second])?;
        assert_eq!(fs::read_dir(&outside)?.count(), 0);
        assert!(
            picture(&first)?.values().any(|text| text == "2"),
            "the new file is lost"
        );
        Ok(())
    }

    #[test]
    fn hard_links_travel_as_files_of_their_own() -> Result<()> {
        let (_world, [first, second]) = World::with_devices()?;
        first.write("one.txt", "same")?;
        fs::hard_link(first.path("one.txt"), first.path("two.txt"))?;
        settle(&[&first, &second])?;
        second.write("one.txt", "other")?;
        settle(&[&first, &second])?;
        assert_eq!(
            picture(&first)?,
            expected([("one.txt", "other"), ("two.txt", "same")])
        );
        Ok(())
    }
}
