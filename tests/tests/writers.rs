//! Programs that keep files open.

use anyhow::Result;
use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use tests::{World, settle, settle_apart};

/// What a program writes through a file that it opened before another device replaced it is in both folders soon.
#[test]
#[cfg(target_os = "linux")]
fn what_is_written_to_a_file_that_was_replaced_meanwhile_comes_back_beside_it() -> Result<()> {
    let (_world, [first, second]) = World::with_devices()?;
    first.write("f", "as it was")?;
    settle(&[&first, &second])?;
    let mut held = OpenOptions::new().write(true).open(second.path("f"))?;
    first.write("f", "from the first device")?;
    settle(&[&first, &second])?;
    held.seek(SeekFrom::Start(0))?;
    held.write_all(b"late words")?;
    drop(held);
    let is_there = |device: &tests::Device| -> bool {
        let entries = fs::read_dir(&device.folder).into_iter().flatten().flatten();
        let mut files = entries.filter(|entry| entry.path().is_file());
        files.any(|entry| fs::read(entry.path()).is_ok_and(|bytes| bytes.starts_with(b"late words")))
    };
    settle_apart(&[&first, &second], |_| is_there(&first) && is_there(&second))?;
    assert_eq!(fs::read(second.path("f"))?, b"from the first device");
    Ok(())
}
