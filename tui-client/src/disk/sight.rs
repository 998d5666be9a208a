//! What is seen on the disk: the print of a file, and the sight of a place. Absent, unknown and present are three
//! different things; only absent may ever lead to a deletion.

use serde::{Deserialize, Serialize};
use sync_engine::{Block, Name, Target};

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
