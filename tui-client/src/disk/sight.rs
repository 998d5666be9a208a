//! What is seen on the disk: the print of a file, and the sight of a place. Absent, unknown and present are three
//! different things; only absent may ever lead to a deletion.

use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use sync_engine::{Block, Bug, Name, Target, planted};

/// Time stamps of common disks are no finer than the system's tick; this is longer than any.
const GRANULARITY: Duration = Duration::from_millis(20);
/// A stamp of whole seconds is of a disk that may know only every second one.
const GRANULARITY_COARSE: Duration = Duration::from_millis(2010);

/// All that the disk says about a file, directory or symbolic link without reading it.
///
/// Law: equal prints of a file before and after it was read mean that it was read whole and unchanged, up to the
/// granularity of the disk's time stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Print {
    /// The device's number; zero on the file system of the root, whose own number may change with every start of the
    /// computer.
    pub device: u64,
    /// The inode, or the file id on Windows.
    pub inode: u64,
    /// When it was made, in nanoseconds since 1970; zero where the disk does not tell.
    pub birth_ns: i64,
    /// The size, in bytes.
    pub size_bytes: u64,
    /// When its bytes were last modified, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// When anything about it was last changed, in nanoseconds since 1970; zero where the disk does not tell. A rename
    /// changes it.
    pub ctime_ns: i64,
    /// The permission bits, with set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// How many names it has.
    pub links: u32,
}

/// Which file it is, whatever its name. It is no evidence where there are several names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The device's number; zero on the file system of the root.
    pub device: u64,
    /// The inode, or the file id on Windows.
    pub inode: u64,
    /// When it was made, in nanoseconds since 1970; zero where the disk does not tell.
    pub birth_ns: i64,
}

impl Print {
    /// Returns how long it takes until its stamps can be trusted, by a clock that shows `now`; nothing when they can. A
    /// stamp of the future is as young as one of now.
    #[must_use]
    pub fn young_for(&self, now: SystemTime) -> Option<Duration> {
        let stamp_ns = self.mtime_ns.max(self.ctime_ns);
        let age_ns = since_1970(now) - i128::from(stamp_ns);
        let age = Duration::from_nanos(u64::try_from(age_ns.max(0)).unwrap_or(u64::MAX));
        let left = self.granularity().checked_sub(age);
        left.filter(|left| !left.is_zero() && !planted(Bug::YoungStampTrusted))
    }

    /// Tells whether one of its stamps may be of this very time. Another of the future, such as people set, says nothing.
    #[must_use]
    pub fn is_of(&self, time: SystemTime) -> bool {
        [self.mtime_ns, self.ctime_ns]
            .iter()
            .any(|stamp_ns| self.is_about(*stamp_ns, time))
    }

    /// Tells whether its bytes may have been written at this very time.
    #[must_use]
    pub fn is_written_about(&self, time: SystemTime) -> bool {
        self.is_about(self.mtime_ns, time)
    }

    /// Tells whether its bytes may have been written within the tick of its last change: what is written then may leave no
    /// other stamp.
    #[must_use]
    pub fn may_hide_a_write(&self) -> bool {
        let apart_ns = i128::from(self.mtime_ns) - i128::from(self.ctime_ns);
        apart_ns.unsigned_abs() < self.granularity().as_nanos()
    }

    /// Tells whether its last change is of a later time, as after a clock was set back.
    #[must_use]
    pub fn is_changed_after(&self, time: SystemTime) -> bool {
        since_1970(time) < i128::from(self.ctime_ns)
    }

    fn is_about(&self, stamp_ns: i64, time: SystemTime) -> bool {
        (since_1970(time) - i128::from(stamp_ns)).unsigned_abs() < self.granularity().as_nanos()
    }

    /// How far apart two stamps have to be for their order to be certain.
    fn granularity(&self) -> Duration {
        const SECOND_NS: i64 = 1_000_000_000;
        if self.mtime_ns % SECOND_NS == 0 && self.ctime_ns % SECOND_NS == 0 {
            GRANULARITY_COARSE
        } else {
            GRANULARITY
        }
    }

    /// Returns which file it is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            device: self.device,
            inode: self.inode,
            birth_ns: self.birth_ns,
        }
    }

    /// Tells whether it is the same file with nothing changed: identity, size, both time stamps and mode are equal.
    #[must_use]
    pub fn same_file_state(&self, other: &Self) -> bool {
        self.same_stamp(other) && self.ctime_ns == other.ctime_ns && self.mode == other.mode
    }

    /// Tells whether it is the same file with the same size and modification time. This is what stays the same over a
    /// rename of our own, which changes `ctime_ns`.
    #[must_use]
    pub fn same_stamp(&self, other: &Self) -> bool {
        self.identity() == other.identity()
            && self.size_bytes == other.size_bytes
            && self.mtime_ns == other.mtime_ns
    }

    /// Tells whether its owner may execute it.
    #[must_use]
    pub fn exec(&self) -> bool {
        self.mode & 0o100 != 0
    }
}

/// What is seen at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// A regular file.
    File(Print),
    /// A directory.
    Dir(Print),
    /// A symbolic link and where it points, which is data and never followed.
    Symlink(Print, Target),
    /// A pipe, socket or device.
    Other(Print),
    /// Nothing: the directory that would hold it was read and does not, or is itself not there.
    Absent,
    /// It could not be told; never to be taken for absent.
    Unknown(Block),
}

impl Sight {
    /// Returns the print of what is there.
    #[must_use]
    pub fn print(&self) -> Option<&Print> {
        match self {
            Self::File(print) | Self::Dir(print) | Self::Symlink(print, _) | Self::Other(print) => {
                Some(print)
            }
            Self::Absent | Self::Unknown(_) => None,
        }
    }
}

fn since_1970(time: SystemTime) -> i128 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos() as i128)
}

/// What a directory holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Everything whose name is a [`Name`], in the order of the names.
    pub entries: Vec<(Name, Sight)>,
    /// What cannot be synchronised because its name is no [`Name`]: shown to people, with the reason.
    pub odd: Vec<(String, Block)>,
    /// The directory kept changing while it was read. What is listed was there, but a rename may have slipped past: an
    /// absence is then to be confirmed by a look at that very name.
    pub restless: bool,
}

/// What a directory entry is, before anyone looks closer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A pipe, socket or device.
    Other,
}

/// What one call to the system says about a place.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// What it is.
    pub file_type: FileType,
    /// What is told about it.
    pub print: Print,
    /// It belongs to another file system than the root.
    pub elsewhere: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(mtime_ns: i64) -> Print {
        Print {
            device: 0,
            inode: 1,
            birth_ns: 1,
            size_bytes: 0,
            mtime_ns,
            ctime_ns: mtime_ns,
            mode: 0o644,
            links: 1,
        }
    }

    #[test]
    fn a_print_is_trusted_once_the_clock_of_the_disk_has_moved_on() {
        let now = UNIX_EPOCH + Duration::from_nanos(5_000_000_001);
        let young_for = |mtime_ns| print(mtime_ns).young_for(now);
        assert_eq!(young_for(4_000_000_001), None);
        assert_eq!(young_for(4_999_000_001), Some(Duration::from_millis(19)));
        assert_eq!(young_for(9_000_000_001), Some(GRANULARITY));
        assert_eq!(
            young_for(4_000_000_000),
            Some(GRANULARITY_COARSE - Duration::from_nanos(1_000_000_001))
        );
    }

    #[test]
    fn a_print_is_of_the_time_of_one_of_its_stamps() {
        let now = UNIX_EPOCH + Duration::from_nanos(5_000_000_001);
        for (mtime_ns, is_of_now) in [
            (4_980_000_001, false),
            (4_980_000_002, true),
            (5_020_000_000, true),
            (5_020_000_001, false),
            (3_000_000_000, true),
        ] {
            assert_eq!(print(mtime_ns).is_of(now), is_of_now, "{mtime_ns}");
        }
        let set_to_the_future = Print {
            mtime_ns: 9_000_000_001,
            ..print(5_000_000_000)
        };
        assert!(set_to_the_future.is_of(now));
    }
}
