//! Who has what open, and what is mounted, as Linux tells in `/proc`. Elsewhere there is no such directory, and nothing is
//! found.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The bit in the mode of a link in a process's `fd` that says that the file is open for writing.
const WRITABLE: u32 = 0o200;

/// Returns the files below a folder that other programs have open for writing, by their paths seen from it.
pub(super) fn written(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(folder) = fs::canonicalize(folder) else {
        return Vec::new();
    };
    let own = std::process::id().to_string();
    let is_other = |name: &OsStr| name.as_bytes().iter().all(u8::is_ascii_digit) && *name != *own;
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut written = Vec::new();
    for process in processes.filter(|process| is_other(&process.file_name())) {
        // Those of other users cannot be looked at.
        let files = fs::read_dir(process.path().join("fd"));
        for link in files.into_iter().flatten().flatten().map(|link| link.path()) {
            let Ok(path) = fs::read_link(&link) else { continue };
            let Some(inside) = inside(&folder, path.as_os_str().as_bytes()) else {
                continue;
            };
            let mode = fs::symlink_metadata(&link).map_or(0, |link| link.permissions().mode());
            if mode & WRITABLE != 0 {
                written.push(inside);
            }
        }
    }
    written
}

/// Returns where other file systems are mounted below a folder, by the paths seen from it.
pub(super) fn mounts(folder: &Path) -> Vec<Vec<u8>> {
    let (Ok(folder), Ok(mounts)) = (fs::canonicalize(folder), fs::read("/proc/self/mountinfo")) else {
        return Vec::new();
    };
    let at = |line: &[u8]| Some(unescaped(line.split(|byte| *byte == b' ').nth(4)?));
    let paths = mounts.split(|byte| *byte == b'\n').filter_map(at);
    paths.filter_map(|path| inside(&folder, &path)).collect()
}

fn inside(folder: &Path, path: &[u8]) -> Option<Vec<u8>> {
    let folder = folder.as_os_str().as_bytes();
    // The root itself ends with a slash.
    let folder = folder.strip_suffix(b"/").unwrap_or(folder);
    let inside = path.strip_prefix(folder)?.strip_prefix(b"/")?;
    (!inside.is_empty()).then(|| inside.to_vec())
}

/// Spaces and the like are written as a backslash and three octal digits.
fn unescaped(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after
            .get(..3)
            .filter(|digits| byte == b'\\' && digits.iter().all(|digit| (b'0'..=b'7').contains(digit)));
        let (byte, next) = match digits {
            Some(digits) => {
                let number = digits
                    .iter()
                    .fold(0_u32, |number, digit| number * 8 + u32::from(digit - b'0'));
                (u8::try_from(number).unwrap_or(b'?'), &after[3..])
            }
            None => (byte, after),
        };
        plain.push(byte);
        rest = next;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_told_as_it_is_spelt() {
        assert_eq!(unescaped(br"/a\040b\134c\0"), br"/a b\c\0");
        let folder = Path::new("/home/f");
        assert_eq!(inside(folder, b"/home/f/x y"), Some(b"x y".to_vec()));
        assert_eq!(inside(folder, b"/home/fx"), None);
        assert_eq!(inside(folder, b"/home/f"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_only_this_program_has_open_is_not_found() {
        let folder = tempfile::tempdir().unwrap();
        let _file = fs::File::create(folder.path().join("own")).unwrap();
        assert!(written(folder.path()).is_empty());
        assert!(mounts(folder.path()).is_empty());
        assert!(!mounts(Path::new("/")).is_empty());
    }
}
