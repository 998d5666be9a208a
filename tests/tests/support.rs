//! What several modules of tests need.

use anyhow::Result;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tests::tree::Seen;
use tests::{Device, settle};

/// A folder as text: files with their content, directories with a `/` at the end, links with `->` and their target.
/// Dates in the names of conflict copies are left out.
pub(crate) type Picture = BTreeMap<String, String>;

/// Looks at a device's folder, whose files have to be text.
pub(crate) fn picture(device: &Device) -> Result<Picture> {
    let mut picture = Picture::new();
    for (path, seen) in device.tree()? {
        let path = String::from_utf8(path)?;
        match seen {
            Seen::Dir => picture.insert(format!("{}/", undated(&path)), String::new()),
            Seen::File { .. } => picture.insert(undated(&path), device.read(&path)?),
            Seen::Special => None,
            Seen::Symlink { target } => picture.insert(path, format!("-> {}", String::from_utf8(target)?)),
        };
    }
    Ok(picture)
}

/// Makes the picture that a test expects.
pub(crate) fn expected<const N: usize>(entries: [(&str, &str); N]) -> Picture {
    entries
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .collect()
}

/// Takes the date out of the name of a conflict copy.
fn undated(path: &str) -> String {
    let Some((before, after)) = path.split_once(" (conflict, ") else {
        return path.to_owned();
    };
    let Some((device, rest)) = after.split_once(", ") else {
        return path.to_owned();
    };
    let is_date = |text: &str| {
        text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
    };
    match rest.split_at_checked(10) {
        Some((date, rest)) if is_date(date) => {
            format!("{before} (conflict, {device}){}", rest.replacen(')', "", 1))
        }
        _ => path.to_owned(),
    }
}

/// What somebody does in the folder of a device.
pub(crate) type Deed = fn(&Device) -> Result<()>;

/// Lets two devices change the same folder without knowing of each other: the second is offline meanwhile, so the
/// server accepts what the first does first. Then waits until all agree, and returns the picture.
pub(crate) fn apart(first: &Device, second: &mut Device, do_first: Deed, do_second: Deed) -> Result<Picture> {
    second.stop()?;
    do_first(first)?;
    first.wait_synced()?;
    do_second(second)?;
    second.start()?;
    settle(&[first, second])?;
    picture(first)
}

/// Returns how many unresolved conflicts a device lists.
pub(crate) fn n_conflicts(device: &Device) -> Result<usize> {
    Ok(device.json("conflicts", &[])?.len())
}

/// Fills a folder, waits until both have it, lets both change it apart, and checks what comes out on both.
pub(crate) fn check_apart<const N: usize>(
    fill: Deed,
    do_first: Deed,
    do_second: Deed,
    outcome: [(&str, &str); N],
    n_unresolved: usize,
) -> Result<()> {
    let (_world, [first, mut second]) = tests::World::with_devices()?;
    fill(&first)?;
    settle(&[&first, &second])?;
    let outcome = expected(outcome);
    let seen = apart(&first, &mut second, do_first, do_second)?;
    assert_eq!(seen, outcome, "{}\n{}", first.output(), second.output());
    assert_eq!(n_conflicts(&first)?, n_unresolved);
    assert_eq!(n_conflicts(&second)?, n_unresolved);
    Ok(())
}

/// Says how long a test with more to try than time may go on: the first number usually, the second in a long run,
/// which `HOLDFAST_LONG` asks for.
pub(crate) fn scaled<T>(usual: T, long: T) -> T {
    if std::env::var_os("HOLDFAST_LONG").is_some() {
        long
    } else {
        usual
    }
}

/// Copies a directory with all in it, as somebody does who keeps or moves a store or a folder.
pub(crate) fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let goal = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &goal)?;
        } else if entry.file_type()?.is_file() {
            // The socket of the client stays where it is.
            fs::copy(entry.path(), goal)?;
        }
    }
    // Whoever copies a store as root keeps it as private as it was.
    Ok(fs::set_permissions(to, fs::metadata(from)?.permissions())?)
}
