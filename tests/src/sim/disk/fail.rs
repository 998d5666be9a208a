//! The errors of the disk, as the system on which the simulation runs would give them.

use std::io;

/// Why a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fail {
    /// There is no such name.
    NotFound,
    /// The name is taken.
    Exists,
    /// Something on the way is no directory.
    NotDir,
    /// It is a directory.
    IsDir,
    /// The directory is not empty.
    NotEmpty,
    /// This cannot be asked.
    Invalid,
    /// No space is left.
    NoSpace,
    /// Permission is denied.
    Denied,
    /// The disk has a bad sector.
    Damaged,
    /// The name is too long.
    TooLong,
    /// The file was not opened for this.
    NotOpenedForThis,
    /// The call was interrupted and is to be tried again.
    Interrupted,
    /// A symbolic link is where a file was to be opened.
    Link,
    /// The client has as many files open as it may.
    TooManyOpen,
    /// The disk lacks this.
    Unsupported,
    /// The computer or the program that calls has crashed.
    Crashed,
}

impl From<Fail> for io::Error {
    fn from(fail: Fail) -> Self {
        match fail {
            Fail::Link => tui_client::disk::volume::link_in_the_way(),
            Fail::Unsupported => tui_client::disk::volume::unsupported(),
            Fail::Crashed => Self::other("the computer has crashed"),
            #[cfg(unix)]
            fail => errno(fail).into(),
            #[cfg(not(unix))]
            fail => kind(fail).into(),
        }
    }
}

#[cfg(unix)]
fn errno(fail: Fail) -> rustix::io::Errno {
    use rustix::io::Errno;
    match fail {
        Fail::NotFound => Errno::NOENT,
        Fail::Exists => Errno::EXIST,
        Fail::NotDir => Errno::NOTDIR,
        Fail::IsDir => Errno::ISDIR,
        Fail::NotEmpty => Errno::NOTEMPTY,
        Fail::Invalid => Errno::INVAL,
        Fail::NoSpace => Errno::NOSPC,
        Fail::Denied => Errno::ACCESS,
        Fail::Damaged | Fail::Link | Fail::Unsupported | Fail::Crashed => Errno::IO,
        Fail::TooLong => Errno::NAMETOOLONG,
        Fail::TooManyOpen => Errno::MFILE,
        Fail::NotOpenedForThis => Errno::BADF,
        Fail::Interrupted => Errno::INTR,
    }
}

#[cfg(not(unix))]
fn kind(fail: Fail) -> io::ErrorKind {
    use io::ErrorKind as Kind;
    match fail {
        Fail::NotFound => Kind::NotFound,
        Fail::Exists => Kind::AlreadyExists,
        Fail::NotDir => Kind::NotADirectory,
        Fail::IsDir => Kind::IsADirectory,
        Fail::NotEmpty => Kind::DirectoryNotEmpty,
        Fail::Invalid => Kind::InvalidInput,
        Fail::NoSpace => Kind::StorageFull,
        Fail::Denied => Kind::PermissionDenied,
        Fail::Damaged
        | Fail::NotOpenedForThis
        | Fail::Link
        | Fail::TooManyOpen
        | Fail::Unsupported
        | Fail::Crashed => Kind::Other,
        Fail::TooLong => Kind::InvalidFilename,
        Fail::Interrupted => Kind::Interrupted,
    }
}
