//! Asking who holds a lock, without trying to take it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Tells whether a process holds the lock of a file. Where the system has no list of its locks, whether the process lives.
pub(super) fn is_held(path: &Path, pid: u32) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return false;
    };
    match fs::read_to_string("/proc/locks") {
        Ok(locks) => locks.lines().any(|line| is_of(line, pid, metadata.ino())),
        Err(_) => i32::try_from(pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok()),
    }
}

/// Reads `1: FLOCK ADVISORY WRITE 7045 fe:01:1572915 0 EOF`. Of the device only the file system knows how it is shown.
fn is_of(line: &str, pid: u32, inode: u64) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, "FLOCK", _, "WRITE", holder, file, ..] = words[..] else {
        return false;
    };
    let of_file = file.rsplit_once(':').and_then(|(_, inode)| inode.parse().ok());
    holder.parse() == Ok(pid) && of_file == Some(inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_holder_and_file() {
        let line = "1: FLOCK  ADVISORY  WRITE 7045 fe:01:1572915 0 EOF";
        assert!(is_of(line, 7045, 1_572_915));
        assert!(!is_of(line, 7045, 1) && !is_of(line, 7, 1_572_915));
        assert!(!is_of(
            "1: POSIX  ADVISORY  WRITE 7045 fe:01:1572915 0 EOF",
            7045,
            1_572_915
        ));
        assert!(!is_of(
            "1: -> FLOCK  ADVISORY  WRITE 7045 fe:01:1572915 0 EOF",
            7045,
            1_572_915
        ));
    }
}
