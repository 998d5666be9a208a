//! An opened file, of this computer or of another disk.

use super::platform;
use common::sparse::data_runs;
use std::any::Any;
use std::fmt::Debug;
use std::fs::FileTimes;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What an opened file of another disk can do. It has one place for reading and writing, which its clones share; a call
/// may read or write less than it was asked to, and may be interrupted (`Interrupted`).
pub trait OpenFile: Any + Debug + Send + Sync {
    /// Reads from its place on; zero at the end.
    fn read(&self, bytes: &mut [u8]) -> io::Result<usize>;

    /// Writes from its place on.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Moves its place.
    fn seek(&self, to: SeekFrom) -> io::Result<u64>;

    /// Reads at a place; zero at the end.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at a place.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Cuts it off, or makes it longer with zeros.
    fn set_len(&self, len_bytes: u64) -> io::Result<()>;

    /// Flushes its bytes and attributes. After an error nothing may be concluded from a second try.
    fn sync_all(&self) -> io::Result<()>;

    /// Opens it once more.
    fn try_clone(&self) -> io::Result<Box<dyn OpenFile>>;

    /// Sets its permissions.
    fn set_mode(&self, mode: u32) -> io::Result<()>;

    /// Sets when it was last modified, in nanoseconds since 1970.
    fn set_mtime(&self, mtime_ns: i64) -> io::Result<()>;

    /// Takes a lock that ends with it and its clones; false when another has it.
    fn lock(&self) -> io::Result<bool>;
}

/// An opened file, of either kind.
#[derive(Debug)]
pub struct File(Kind);

#[derive(Debug)]
enum Kind {
    Platform(std::fs::File),
    Other(Box<dyn OpenFile>),
}

impl File {
    /// Opens a file of another disk.
    #[must_use]
    pub fn other(file: Box<dyn OpenFile>) -> Self {
        Self(Kind::Other(file))
    }

    /// Returns the file of this computer.
    pub(in crate::disk) fn platform(&self) -> io::Result<&std::fs::File> {
        match &self.0 {
            Kind::Platform(file) => Ok(file),
            Kind::Other(_) => Err(io::ErrorKind::CrossesDevices.into()),
        }
    }

    /// Returns the file of another disk, of this kind.
    ///
    /// # Errors
    /// When it is of another kind.
    pub fn of_kind<F: OpenFile>(&self) -> io::Result<&F> {
        match &self.0 {
            Kind::Platform(_) => None,
            Kind::Other(file) => (&**file as &dyn Any).downcast_ref(),
        }
        .ok_or_else(|| io::ErrorKind::CrossesDevices.into())
    }

    /// Opens it once more; both share one place for reading and writing.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(match &self.0 {
            Kind::Platform(file) => Kind::Platform(file.try_clone()?),
            Kind::Other(file) => Kind::Other(file.try_clone()?),
        }))
    }

    /// Fills a buffer from a place in the file.
    ///
    /// # Errors
    /// When the file ends before (`UnexpectedEof`) or cannot be read.
    pub fn read_exact_at(&self, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let read = match &self.0 {
                Kind::Platform(file) => platform::read_at(file, bytes, offset),
                Kind::Other(file) => file.read_at(bytes, offset),
            };
            match read {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    bytes = &mut bytes[n..];
                    offset += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all bytes at a place in the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = match &self.0 {
                Kind::Platform(file) => platform::write_at(file, bytes, offset),
                Kind::Other(file) => file.write_at(bytes, offset),
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    bytes = &bytes[n..];
                    offset += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes bytes at a place in the file, but for zeros, which are there already where nothing was written. With
    /// `was_written` something may have been; then it is looked, and zeros are written where there are none.
    ///
    /// # Errors
    /// When the file cannot be written, or not be read.
    pub fn write_sparsely_at(&self, bytes: &[u8], offset: u64, was_written: bool) -> io::Result<()> {
        let mut there = Vec::new();
        let mut end = 0;
        let after = std::iter::once(bytes.len()..bytes.len());
        for run in data_runs(bytes, offset).chain(after) {
            let hole = end..run.start;
            if was_written && !hole.is_empty() {
                there.resize(hole.len(), 0);
                let at = offset + hole.start as u64;
                self.read_exact_at(&mut there, at)?;
                if there.iter().any(|byte| *byte != 0) {
                    self.write_all_at(&bytes[hole], at)?;
                }
            }
            self.write_all_at(&bytes[run.clone()], offset + run.start as u64)?;
            end = run.end;
        }
        Ok(())
    }

    /// Cuts it off, or makes it longer with zeros.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        match &self.0 {
            Kind::Platform(file) => file.set_len(len_bytes),
            Kind::Other(file) => file.set_len(len_bytes),
        }
    }

    /// Flushes its bytes and attributes.
    ///
    /// # Errors
    /// When something could not be written; it must then be written anew, not flushed again.
    pub fn sync_all(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Platform(file) => file.sync_all(),
            Kind::Other(file) => file.sync_all(),
        }
    }

    /// Copies another file to this empty one, in the way that is fastest. Holes stay holes where the system tells of them.
    pub(in crate::disk) fn copy_from(&mut self, from: &mut Self) -> io::Result<()> {
        match (&mut from.0, &mut self.0) {
            (Kind::Platform(from), Kind::Platform(to)) => platform::copy_data(from, to),
            _ => io::copy(from, self).map(drop),
        }
    }

    /// Lets this empty file share the bytes of another until one of them is changed.
    pub(in crate::disk) fn share_bytes_of(&self, from: &Self) -> io::Result<()> {
        platform::share_bytes(from.platform()?, self.platform()?)
    }

    /// Sets its permissions.
    pub(in crate::disk) fn set_mode(&self, mode: u32) -> io::Result<()> {
        match &self.0 {
            Kind::Platform(file) => platform::set_mode(file, mode),
            Kind::Other(file) => file.set_mode(mode),
        }
    }

    /// Sets when it was last modified, in nanoseconds since 1970.
    pub(in crate::disk) fn set_mtime(&self, mtime_ns: i64) -> io::Result<()> {
        let file = match &self.0 {
            Kind::Platform(file) => file,
            Kind::Other(file) => return file.set_mtime(mtime_ns),
        };
        let distance = Duration::from_nanos(mtime_ns.unsigned_abs());
        let time: Option<SystemTime> = if mtime_ns < 0 {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        };
        let time = time.ok_or(io::ErrorKind::InvalidInput)?;
        file.set_times(FileTimes::new().set_modified(time))
    }

    /// Takes a lock that ends with the file; false when another has it.
    pub(in crate::disk) fn lock(&self) -> io::Result<bool> {
        match &self.0 {
            Kind::Platform(file) => platform::lock(file),
            Kind::Other(file) => file.lock(),
        }
    }

    /// Gives the lock up, also where a child process that does not yet run its own program has the descriptor too.
    pub(in crate::disk) fn unlock(&self) {
        if let Kind::Platform(file) = &self.0 {
            // What cannot be unlocked ends with the last descriptor.
            let _ = file.unlock();
        }
    }
}

impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> Self {
        Self(Kind::Platform(file))
    }
}

impl Read for &File {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Kind::Platform(file) => Read::read(&mut { file }, bytes),
            Kind::Other(file) => file.read(bytes),
        }
    }
}

impl Write for &File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Kind::Platform(file) => Write::write(&mut { file }, bytes),
            Kind::Other(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for &File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &self.0 {
            Kind::Platform(file) => Seek::seek(&mut { file }, to),
            Kind::Other(file) => file.seek(to),
        }
    }
}

impl Read for File {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        { &*self }.read(bytes)
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        { &*self }.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        { &*self }.seek(to)
    }
}
