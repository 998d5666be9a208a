//! The table of mounts that Linux shows (proc(5), `mountinfo`): a directory may be reached through several of them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// A mount: a directory of a file system that is shown at a path.
struct Mount<'a> {
    file_system: &'a [u8],
    shows: PathBuf,
    at: PathBuf,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ').skip(2);
        Some(Self {
            file_system: fields.next()?,
            shows: unescaped(fields.next()?),
            at: unescaped(fields.next()?),
        })
    }
}

/// Reads a path in which blanks and the like are written as a backslash and three octal digits.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        let octal = behind.get(..3).filter(|_| *first == b'\\');
        let value = octal.and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() { &behind[3..] } else { behind };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// Returns the other paths of what is at a path, as far as the table tells. A mount may hide one of them by now.
pub(super) fn other_ways(table: &[u8], path: &Path) -> Vec<PathBuf> {
    let mounts: Vec<Mount<'_>> = table
        .split(|byte| *byte == b'\n')
        .filter_map(Mount::parse)
        .collect();
    // Of several mounts at one path the last one shows.
    let own = mounts
        .iter()
        .filter(|mount| path.starts_with(&mount.at))
        .max_by_key(|mount| mount.at.components().count());
    let Some(own) = own else { return Vec::new() };
    let Ok(below) = path.strip_prefix(&own.at) else {
        return Vec::new();
    };
    let inside = own.shows.join(below);
    let is_alike = |mount: &&Mount<'_>| mount.file_system == own.file_system;
    let ways = mounts.iter().filter(is_alike).filter_map(|mount| {
        let below = inside.strip_prefix(&mount.shows).ok()?;
        Some(mount.at.join(below)).filter(|way| way != path)
    });
    ways.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:5 / /proc rw - proc proc rw
24 22 254:0 /home/anna/Files/sub /mnt/my\\040files rw - ext4 /dev/vda rw
25 22 254:16 / /disk rw - ext4 /dev/vdb rw
26 22 254:16 /deep/er /srv rw - ext4 /dev/vdb rw
";

    fn ways(path: &str) -> Vec<PathBuf> {
        other_ways(TABLE.as_bytes(), Path::new(path))
    }

    #[test]
    fn a_directory_is_found_behind_every_mount_that_shows_it() {
        let expected = [PathBuf::from("/home/anna/Files/sub/x")];
        assert_eq!(ways("/mnt/my files/x"), expected);
        assert_eq!(ways("/home/anna/Files/sub/x"), [PathBuf::from("/mnt/my files/x")]);
        assert_eq!(ways("/srv"), [PathBuf::from("/disk/deep/er")]);
        for alone in ["/home/anna/Files", "/disk", "/disk/deep", "/proc", "relative"] {
            assert!(ways(alone).is_empty(), "{alone}");
        }
    }

    #[test]
    fn a_table_that_makes_no_sense_shows_nothing() {
        for table in [&b""[..], b"1 2 3", b"\n\n", b"a b c \\9 \\777 \xff"] {
            assert!(other_ways(table, Path::new("/x")).is_empty());
        }
    }
}
