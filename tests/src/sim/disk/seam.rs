//! The disk as the client's seam wants it.

use super::fail::Fail;
use super::handle::Held;
use super::node::{Body, Id};
use super::rename::Slot;
use super::state::State;
use super::watch::Happened;
use std::io::{self, SeekFrom};
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use sync_engine::Name;
use tui_client::disk::volume::{Dir, Directory, File, OpenFile};
use tui_client::disk::{FileType, Print, Seen};

/// A directory held open by the client.
#[derive(Debug)]
pub(super) struct SimDir(pub(super) Held);

/// A file held open. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct SimFile(Arc<Description>);

#[derive(Debug)]
struct Description {
    held: Held,
    place: Mutex<u64>,
    is_writable: bool,
}

impl SimDir {
    fn open_dir(&self, find: impl FnOnce(&mut State) -> io::Result<Id>) -> io::Result<Dir> {
        let held = Held::open(&self.0.disk, self.0.owner, false, find)?;
        Ok(Dir::other(Box::new(Self(held))))
    }

    fn open_with(&self, name: &[u8], is_writable: bool) -> io::Result<File> {
        let held = Held::open(&self.0.disk, self.0.owner, false, |state| {
            state.open_file(self.0.id, name, is_writable)
        })?;
        Ok(File::other(Box::new(SimFile::new(held, is_writable))))
    }

    fn two<'a>(&'a self, from: &'a Dir, name: &'a [u8], to: &'a [u8]) -> io::Result<(Slot<'a>, Slot<'a>)> {
        let from: &Self = from.of_kind()?;
        if !Arc::ptr_eq(&from.0.disk.0, &self.0.disk.0) {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        Ok(((from.0.id, name), (self.0.id, to)))
    }
}

impl State {
    /// Finds a file to be opened.
    pub(super) fn open_file(&mut self, dir: Id, name: &[u8], is_writable: bool) -> io::Result<Id> {
        let id = self.find(dir, name)?;
        let node = self.node(id)?;
        match &node.body {
            Body::Symlink(_) => Err(Fail::Link.into()),
            // Nobody has to open one, and the client never does.
            Body::Pipe => Err(Fail::Invalid.into()),
            Body::Dir(_) if is_writable => Err(Fail::IsDir.into()),
            Body::File(_) | Body::Dir(_) if node.troubles.is_denied => Err(Fail::Denied.into()),
            Body::File(_) | Body::Dir(_) => Ok(id),
        }
    }

    fn find_below(&self, from: Id, names: &[Name], is_read: bool) -> io::Result<Id> {
        let id = self.walk(from, names.iter().map(Name::as_bytes))?;
        let node = self.node(id)?;
        node.entries()?;
        if is_read && node.troubles.is_denied {
            return Err(Fail::Denied.into());
        }
        Ok(id)
    }

    fn seen(&self, id: Id) -> io::Result<Seen> {
        let node = self.node(id)?;
        let is_dir = |id: &Id| self.nodes.get(id).is_some_and(super::node::Node::is_dir);
        let links = match &node.body {
            Body::Dir(_) if node.names.is_empty() && id != super::node::TOP => 0,
            Body::Dir(entries) => 2 + entries.values().filter(|entry| is_dir(&entry.id)).count(),
            Body::File(_) | Body::Symlink(_) | Body::Pipe => node.names.len(),
        };
        let attributes = node.attributes;
        Ok(Seen {
            file_type: match &node.body {
                Body::File(_) => FileType::File,
                Body::Dir(_) => FileType::Dir,
                Body::Symlink(_) => FileType::Symlink,
                Body::Pipe => FileType::Other,
            },
            print: Print {
                device: 0,
                inode: attributes.number,
                birth_ns: if self.options.tells_birth {
                    attributes.birth_ns
                } else {
                    0
                },
                size_bytes: node.len_bytes(),
                mtime_ns: attributes.mtime_ns,
                ctime_ns: attributes.ctime_ns,
                mode: attributes.mode,
                links: u32::try_from(links).unwrap_or(u32::MAX),
            },
            elsewhere: false,
        })
    }
}

impl Directory for SimDir {
    fn is_at(&self, path: &Path) -> io::Result<bool> {
        let mut names = Vec::new();
        for part in path.components() {
            match part {
                Component::Normal(name) => names.push(name.as_encoded_bytes()),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => (),
                Component::ParentDir => return Err(Fail::Invalid.into()),
            }
        }
        self.0
            .ask(|state, id| Ok(state.walk(super::node::TOP, names.into_iter())? == id))
    }

    fn is_removed(&self) -> io::Result<bool> {
        self.0.ask(|state, id| Ok(state.seen(id)?.print.links == 0))
    }

    fn descend(&self, names: &[Name]) -> io::Result<Dir> {
        self.open_dir(|state| state.find_below(self.0.id, names, false))
    }

    fn descend_to_read(&self, names: &[Name]) -> io::Result<Dir> {
        self.open_dir(|state| state.find_below(self.0.id, names, true))
    }

    fn open_own(&self, name: &str) -> io::Result<Dir> {
        self.open_dir(|state| {
            let id = state.find(self.0.id, name.as_bytes())?;
            state.node(id)?.entries()?;
            Ok(id)
        })
    }

    fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        self.0.ask(State::listed)
    }

    fn stat(&self, name: &[u8]) -> io::Result<Seen> {
        self.0.ask(|state, id| state.seen(state.find(id, name)?))
    }

    fn stat_file(&self, file: &File) -> io::Result<Seen> {
        let file: &SimFile = file.of_kind()?;
        file.0.held.ask(|state, id| state.seen(id))
    }

    fn stat_self(&self) -> io::Result<Seen> {
        self.0.ask(|state, id| state.seen(id))
    }

    fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        self.0
            .ask(|state, id| match &state.node(state.find(id, name)?)?.body {
                Body::Symlink(target) => Ok(target.clone()),
                Body::File(_) | Body::Dir(_) | Body::Pipe => Err(Fail::Invalid.into()),
            })
    }

    fn open_file(&self, name: &[u8]) -> io::Result<File> {
        self.open_with(name, false)
    }

    fn open_own_file(&self, name: &[u8]) -> io::Result<File> {
        self.open_with(name, true)
    }

    fn open_to_set_attributes(&self, name: &[u8]) -> io::Result<File> {
        self.open_with(name, false)
    }

    fn create_file(&self, name: &[u8], mode: u32) -> io::Result<File> {
        let held = Held::open(&self.0.disk, self.0.owner, true, |state| {
            state.make_file(self.0.id, name, mode)
        })?;
        Ok(File::other(Box::new(SimFile::new(held, true))))
    }

    fn make_own_dir(&self, name: &[u8]) -> io::Result<()> {
        self.0.act(|state, id| state.make_dir(id, name, 0o700).map(drop))
    }

    fn make_dir(&self, name: &[u8], mode: u32) -> io::Result<()> {
        self.0.act(|state, id| state.make_dir(id, name, mode).map(drop))
    }

    fn close_to_others(&self) -> io::Result<()> {
        match self.stat_self()?.print.mode & 0o7777 {
            0o700 => Ok(()),
            _ => self.0.act(|state, id| state.set_mode(id, 0o700)),
        }
    }

    fn make_symlink(&self, target: &[u8], name: &[u8]) -> io::Result<()> {
        self.0
            .act(|state, id| state.make_symlink(id, name, target).map(drop))
    }

    fn remove_dir(&self, name: &[u8]) -> io::Result<()> {
        self.0.act(|state, id| state.remove_dir(id, name))
    }

    fn unlink(&self, name: &[u8]) -> io::Result<()> {
        self.0.act(|state, id| state.unlink(id, name))
    }

    fn link_from(&self, from: &Dir, name: &[u8], to: &[u8]) -> io::Result<()> {
        let (from, to) = self.two(from, name, to)?;
        self.0.act(|state, _| state.link(from, to))
    }

    fn rename_new(&self, from: &Dir, name: &[u8], to: &[u8]) -> io::Result<()> {
        let (from, to) = self.two(from, name, to)?;
        self.0.act(|state, _| state.rename_new(from, to))
    }

    fn rename_over(&self, from: &Dir, name: &[u8], to: &[u8]) -> io::Result<()> {
        let (from, to) = self.two(from, name, to)?;
        self.0.act(|state, _| state.rename_over(from, to))
    }

    fn exchange(&self, from: &Dir, name: &[u8], to: &[u8]) -> io::Result<()> {
        let (from, to) = self.two(from, name, to)?;
        self.0.act(|state, _| state.exchange(from, to))
    }

    fn flush(&self) -> io::Result<()> {
        self.0.act(State::flush_dir)
    }

    fn flush_file_system(&self) -> io::Result<bool> {
        self.0.act(|state, _| state.flush_all().map(|()| true))
    }

    fn written(&self, _: &Path) -> Vec<Vec<u8>> {
        let paths = |state: &mut State, id| {
            let ids = state.written.keys();
            Ok(ids.filter_map(|file| state.path_below(id, *file)).collect())
        };
        self.0.ask(paths).unwrap_or_default()
    }

    fn mounts(&self, _: &Path) -> Vec<Vec<u8>> {
        Vec::new()
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        self.0
            .ask(|state, _| Ok(Some(state.free_bytes().unwrap_or(1 << 40))))
    }

    fn boot(&self) -> Option<String> {
        Some(self.0.disk.lock().boot.to_string())
    }

    fn now(&self) -> SystemTime {
        let now_ns = self.0.disk.clock().now_ns();
        let distance = Duration::from_nanos(now_ns.unsigned_abs());
        match 0 <= now_ns {
            true => UNIX_EPOCH + distance,
            false => UNIX_EPOCH - distance,
        }
    }
}

impl SimFile {
    pub(super) fn new(held: Held, is_writable: bool) -> Self {
        Self(Arc::new(Description {
            held,
            place: Mutex::new(0),
            is_writable,
        }))
    }

    /// Writes over its first bytes without a word to anybody.
    pub(super) fn write_mapped(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.held.act(|state, id| {
            let len = bytes.len().min(state.node(id)?.bytes()?.len());
            state.put_at(id, &bytes[..len], 0).map(drop)
        })
    }

    /// Returns what it holds; nothing if it has no name any more.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        let bytes = self.0.held.ask(|state, id| {
            let node = state.node(id)?;
            Ok((!node.names.is_empty()).then(|| node.bytes().map(|bytes| bytes.to_vec())))
        });
        bytes.ok()??.ok()
    }

    fn expect_writable(&self) -> io::Result<()> {
        match self.0.is_writable {
            true => Ok(()),
            false => Err(Fail::NotOpenedForThis.into()),
        }
    }
}

impl OpenFile for SimFile {
    fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut place = self.0.place.lock().unwrap_or_else(PoisonError::into_inner);
        let len = self.read_at(bytes, *place)?;
        *place += len as u64;
        drop(place);
        self.0.held.was_read();
        Ok(len)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut place = self.0.place.lock().unwrap_or_else(PoisonError::into_inner);
        let len = self.write_at(bytes, *place)?;
        *place += len as u64;
        Ok(len)
    }

    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        let len = self.0.held.ask(|state, id| Ok(state.node(id)?.len_bytes()))?;
        let mut place = self.0.place.lock().unwrap_or_else(PoisonError::into_inner);
        let new = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => len.checked_add_signed(by),
            SeekFrom::Current(by) => place.checked_add_signed(by),
        };
        *place = new.ok_or(Fail::Invalid)?;
        Ok(*place)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.held.ask(|state, id| state.read_at(id, bytes, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.expect_writable()?;
        if bytes.is_empty() {
            return Ok(0);
        }
        self.0.held.act(|state, id| state.write_at(id, bytes, offset))
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        // This is what systems say here, and not that it is a wrong descriptor.
        self.expect_writable().map_err(|_| Fail::Invalid)?;
        self.0.held.act(|state, id| state.set_len(id, len_bytes))
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.held.act(State::flush_file)
    }

    fn try_clone(&self) -> io::Result<Box<dyn OpenFile>> {
        Ok(Box::new(self.clone()))
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.0.held.act(|state, id| state.set_mode(id, mode))
    }

    fn set_mtime(&self, mtime_ns: i64) -> io::Result<()> {
        self.0.held.act(|state, id| state.set_mtime(id, mtime_ns))
    }

    fn lock(&self) -> io::Result<bool> {
        let serial = self.0.held.serial;
        self.0.held.ask(|state, id| Ok(state.take_lock(id, serial)))
    }
}

impl Drop for Description {
    fn drop(&mut self) {
        if self.is_writable {
            let mut state = self.held.disk.lock();
            if state.check(self.held.owner).is_ok() {
                state.happened_to(self.held.id, Happened::Closed);
                if let Some(count) = state.written.get_mut(&self.held.id) {
                    *count -= 1;
                    if *count == 0 {
                        state.written.remove(&self.held.id);
                    }
                }
            }
        }
    }
}
