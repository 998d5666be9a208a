//! The narrow door to the files of packs. They are known by their numbers; one thread appends to the newest, any number
//! reads, and nothing is ever written in the middle.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Directory;
use super::system::{append_private, flush_dir, free_bytes, read_at, release_range};

/// The files of packs.
pub trait PackFiles: Debug + Send + Sync {
    /// Returns the path of a pack, to name it to people.
    fn path(&self, pack: u32) -> PathBuf;
    /// Returns the path of them all, to name it to people.
    fn directory(&self) -> &Path;
    /// Returns the numbers of all packs, in order.
    fn list(&self) -> io::Result<Vec<u32>>;
    /// Opens a pack to append to it, and makes it if it is new. Its name is not durable before
    /// [`PackFiles::flush_names`].
    fn open_to_append(&self, pack: u32, is_new: bool) -> io::Result<Arc<dyn PackFile>>;
    /// Opens a pack to read from it.
    fn open_to_read(&self, pack: u32) -> io::Result<Arc<dyn PackFile>>;
    /// Returns the length of a pack, in bytes.
    fn measure(&self, pack: u32) -> io::Result<u64>;
    /// Cuts off what lies behind a length, durably.
    fn shorten(&self, pack: u32, len: u64) -> io::Result<()>;
    /// Removes a pack. It is not gone for good before [`PackFiles::flush_names`].
    fn remove(&self, pack: u32) -> io::Result<()>;
    /// Gives the room of a part of a pack back to the system, and says whether it could: what is read there afterwards
    /// is zeros, and nothing else changes its place.
    fn release(&self, _pack: u32, _offset: u64, _len: u64) -> io::Result<bool> {
        Ok(false)
    }
    /// Makes durable which packs there are.
    fn flush_names(&self) -> io::Result<()>;
    /// Returns how much room there is, in bytes, if that is known.
    fn free_bytes(&self) -> Option<u64>;
}

/// An open pack.
pub trait PackFile: Debug + Send + Sync {
    /// Appends all of these bytes. After an error some of them may have been appended.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;
    /// Fills `bytes` from an offset.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
    /// Makes what was appended durable.
    fn flush(&self) -> io::Result<()>;
}

/// Packs in a directory of this computer.
#[derive(Debug)]
pub(crate) struct PackDirectory(PathBuf);

impl PackDirectory {
    /// Names a directory, which must be there.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }
}

impl PackFiles for PackDirectory {
    fn path(&self, pack: u32) -> PathBuf {
        self.0.join(Directory::pack_name(pack))
    }

    fn directory(&self) -> &Path {
        &self.0
    }

    fn list(&self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for item in fs::read_dir(&self.0)? {
            let name = item?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(".pack"));
            numbers.extend(stem.and_then(|stem| stem.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn open_to_append(&self, pack: u32, is_new: bool) -> io::Result<Arc<dyn PackFile>> {
        Ok(Arc::new(append_private(&self.path(pack), is_new)?))
    }

    fn open_to_read(&self, pack: u32) -> io::Result<Arc<dyn PackFile>> {
        Ok(Arc::new(File::open(self.path(pack))?))
    }

    fn measure(&self, pack: u32) -> io::Result<u64> {
        Ok(fs::metadata(self.path(pack))?.len())
    }

    fn shorten(&self, pack: u32, len: u64) -> io::Result<()> {
        // A file that is open only to be appended to cannot be shortened everywhere.
        let file = OpenOptions::new().write(true).open(self.path(pack))?;
        file.set_len(len)?;
        file.sync_all()
    }

    fn remove(&self, pack: u32) -> io::Result<()> {
        fs::remove_file(self.path(pack))
    }

    fn release(&self, pack: u32, offset: u64, len: u64) -> io::Result<bool> {
        let file = OpenOptions::new().write(true).open(self.path(pack))?;
        release_range(&file, offset, len)
    }

    fn flush_names(&self) -> io::Result<()> {
        flush_dir(&self.0)
    }

    fn free_bytes(&self) -> Option<u64> {
        free_bytes(&self.0)
    }
}

impl PackFile for File {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self;
        file.write_all(bytes)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        read_at(self, bytes, offset)
    }

    fn flush(&self) -> io::Result<()> {
        self.sync_data()
    }
}
