//! The disk as people and their programs use it: by path, without a thought of the client.

use super::SimDisk;
use super::handle::{Held, Owner};
use super::node::{Body, Id};
use super::seam::SimFile;
use super::state::State;
use std::io::{self, Read, Seek, SeekFrom, Write};
use tui_client::disk::volume::OpenFile;

/// A file that a program has open. It stays open over a rename, and after its last name is gone.
#[derive(Debug)]
pub struct Opened(SimFile);

impl SimDisk {
    fn person(&self) -> Owner {
        Owner::Person(self.lock().boot)
    }

    fn call<T>(&self, call: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        self.act(self.person(), false, call)
    }

    /// Reads a file whole.
    ///
    /// # Errors
    /// Those of the system.
    pub fn read(&self, path: impl AsRef<[u8]>) -> io::Result<Vec<u8>> {
        self.call(|state| {
            let node = state.node(state.find_path(path.as_ref())?)?;
            Ok(node.bytes()?.to_vec())
        })
    }

    /// Opens a file to read and write it, made when it is missing.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open(&self, path: impl AsRef<[u8]>) -> io::Result<Opened> {
        let held = Held::open(self, self.person(), false, |state| {
            let (dir, name) = state.find_parent(path.as_ref())?;
            match state.find_entry(dir, name)? {
                Some(_) => state.open_file(dir, name, true),
                None => state.make_file(dir, name, 0o666),
            }
        })?;
        let mut state = self.lock();
        *state.written.entry(held.id).or_default() += 1;
        drop(state);
        Ok(Opened(SimFile::new(held, true)))
    }

    /// Writes a file in place: it is cut off, or made, and then written.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write(&self, path: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let mut file = self.open(path)?;
        file.set_len(0)?;
        file.write_all(bytes.as_ref())
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// Those of the system.
    pub fn mkdir(&self, path: impl AsRef<[u8]>) -> io::Result<()> {
        self.at(path, |state, dir, name| {
            state.make_dir(dir, name, 0o777).map(drop)
        })
    }

    /// Makes a directory, with those above it.
    ///
    /// # Errors
    /// Those of the system.
    pub fn mkdir_all(&self, path: impl AsRef<[u8]>) -> io::Result<()> {
        let path = path.as_ref();
        let ends = (1..=path.len()).filter(|end| *end == path.len() || path[*end] == b'/');
        for end in ends {
            match self.mkdir(&path[..end]) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (),
                result => result?,
            }
        }
        Ok(())
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// Those of the system.
    pub fn symlink(&self, target: impl AsRef<[u8]>, path: impl AsRef<[u8]>) -> io::Result<()> {
        self.at(path, |state, dir, name| {
            state.make_symlink(dir, name, target.as_ref()).map(drop)
        })
    }

    /// Makes a pipe.
    ///
    /// # Errors
    /// Those of the system.
    pub fn mkfifo(&self, path: impl AsRef<[u8]>) -> io::Result<()> {
        self.at(path, |state, dir, name| state.make_pipe(dir, name).map(drop))
    }

    /// Gives a file another name.
    ///
    /// # Errors
    /// Those of the system.
    pub fn link(&self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> io::Result<()> {
        self.two(from, to, State::link)
    }

    /// Renames or moves, in place of what is there.
    ///
    /// # Errors
    /// Those of the system.
    pub fn rename(&self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> io::Result<()> {
        self.two(from, to, State::rename_over)
    }

    /// Renames or moves to a free name.
    ///
    /// # Errors
    /// Those of the system.
    pub fn rename_new(&self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> io::Result<()> {
        self.two(from, to, State::rename_new)
    }

    /// Lets two names change places.
    ///
    /// # Errors
    /// Those of the system.
    pub fn exchange(&self, a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> io::Result<()> {
        self.two(a, b, State::exchange)
    }

    /// Removes a name that is no directory's.
    ///
    /// # Errors
    /// Those of the system.
    pub fn unlink(&self, path: impl AsRef<[u8]>) -> io::Result<()> {
        self.at(path, State::unlink)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// Those of the system.
    pub fn rmdir(&self, path: impl AsRef<[u8]>) -> io::Result<()> {
        self.at(path, State::remove_dir)
    }

    /// Removes whatever is at a path, with all that is below it.
    ///
    /// # Errors
    /// Those of the system.
    pub fn remove_all(&self, path: impl AsRef<[u8]>) -> io::Result<()> {
        let path = path.as_ref();
        for name in self
            .call(|state| state.listed(state.find_path(path)?))
            .unwrap_or_default()
        {
            self.remove_all([path, &name].join(&b'/'))?;
        }
        match self.rmdir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => self.unlink(path),
            result => result,
        }
    }

    /// Sets the permissions.
    ///
    /// # Errors
    /// Those of the system.
    pub fn chmod(&self, path: impl AsRef<[u8]>, mode: u32) -> io::Result<()> {
        self.call(|state| state.set_mode(state.find_path(path.as_ref())?, mode))
    }

    /// Sets when it was last modified, in nanoseconds since 1970.
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_mtime(&self, path: impl AsRef<[u8]>, mtime_ns: i64) -> io::Result<()> {
        self.call(|state| state.set_mtime(state.find_path(path.as_ref())?, mtime_ns))
    }

    /// Returns where a symbolic link points.
    ///
    /// # Errors
    /// Those of the system.
    pub fn read_link(&self, path: impl AsRef<[u8]>) -> io::Result<Vec<u8>> {
        self.call(|state| match &state.node(state.find_path(path.as_ref())?)?.body {
            Body::Symlink(target) => Ok(target.clone()),
            Body::File(_) | Body::Dir(_) | Body::Pipe => Err(super::Fail::Invalid.into()),
        })
    }

    /// Flushes everything, as `sync` does.
    ///
    /// # Errors
    /// Those of the system.
    pub fn sync(&self) -> io::Result<()> {
        self.call(State::flush_all)
    }

    fn at<T>(
        &self,
        path: impl AsRef<[u8]>,
        call: impl FnOnce(&mut State, Id, &[u8]) -> io::Result<T>,
    ) -> io::Result<T> {
        self.call(|state| {
            let (dir, name) = state.find_parent(path.as_ref())?;
            call(state, dir, name)
        })
    }

    fn two(
        &self,
        from: impl AsRef<[u8]>,
        to: impl AsRef<[u8]>,
        call: impl FnOnce(&mut State, (Id, &[u8]), (Id, &[u8])) -> io::Result<()>,
    ) -> io::Result<()> {
        self.call(|state| {
            let from = state.find_parent(from.as_ref())?;
            let to = state.find_parent(to.as_ref())?;
            call(state, from, to)
        })
    }
}

impl Opened {
    /// Cuts it off, or makes it longer with zeros.
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_len(&mut self, len_bytes: u64) -> io::Result<()> {
        self.0.set_len(len_bytes)
    }

    /// Writes over its first bytes through a memory map, of which no watcher is told.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write_mapped(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_mapped(bytes)
    }

    /// Returns what it holds; nothing if it has no name any more.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        self.0.bytes()
    }

    /// Flushes its bytes.
    ///
    /// # Errors
    /// Those of the system.
    pub fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

impl Read for Opened {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for Opened {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Opened {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}
