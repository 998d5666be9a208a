//! What the store needs of a Unix system: reading at an offset, private directories, flushing a directory.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

/// Fills `bytes` from an offset of a file.
pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(bytes, offset)
}

/// Makes a directory, and those above it, readable by its owner alone, and their names durable. One that is there stays
/// as it is.
pub(crate) fn make_private_dir(path: &Path) -> io::Result<()> {
    let is_missing = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.exists();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    for dir in missing {
        let above = dir.parent().filter(|above| !above.as_os_str().is_empty());
        match flush_dir(above.unwrap_or(Path::new("."))) {
            // Whoever may write there and not read is not kept from working by that.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => (),
            result => result?,
        }
    }
    Ok(())
}

/// Opens a file to append to; one that is made is readable by its owner alone.
pub(crate) fn append_private(path: &Path, create: bool) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(create)
        .mode(0o600)
        .open(path)
}

/// Makes the names in a directory durable.
pub(crate) fn flush_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Gives the room of a part of a file back to the system; tells whether the file system can do that.
#[cfg(target_os = "linux")]
pub(crate) fn release_range(file: &File, offset: u64, len: u64) -> io::Result<bool> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match fallocate(file, flags, offset, len) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Gives the room of a part of a file back to the system; tells whether the file system can do that.
#[cfg(not(target_os = "linux"))]
pub(crate) fn release_range(_file: &File, _offset: u64, _len: u64) -> io::Result<bool> {
    Ok(false)
}

/// Returns how much room there is where a path is, in bytes, if the system says so.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let room = rustix::fs::statvfs(path).ok()?;
    room.f_bavail.checked_mul(room.f_frsize)
}
