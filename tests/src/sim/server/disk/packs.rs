//! The files of packs on a simulated disk: what is in each, what of it was flushed, and which names were.

use server::{PackFile, PackFiles};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::{Damage, Disk, Extent, Life, lock};
use crate::noise::Noise;

/// What a disk writes in one go, in bytes.
const SECTOR_LEN: usize = 512;

/// A file, whatever its name.
type Inode = u64;

/// All files, and their names.
#[derive(Debug, Clone, Default)]
pub(super) struct PackStates {
    files: BTreeMap<Inode, FileState>,
    names: BTreeMap<u32, Inode>,
    flushed_names: BTreeMap<u32, Inode>,
}

#[derive(Debug, Clone, Default)]
struct FileState {
    bytes: Vec<u8>,
    flushed: Vec<u8>,
    /// How far the two are the same, in bytes.
    same_len: usize,
}

impl FileState {
    fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn shorten(&mut self, len: usize) {
        self.bytes.truncate(len);
        self.same_len = self.same_len.min(self.bytes.len());
    }

    /// Makes a hole: what is there is zeros, whatever happens next.
    fn release(&mut self, from: usize, to: usize) {
        for bytes in [&mut self.bytes, &mut self.flushed] {
            let to = to.min(bytes.len());
            bytes[from.min(to)..to].fill(0);
        }
    }

    fn flush(&mut self) {
        self.flushed.truncate(self.same_len);
        self.flushed.extend_from_slice(&self.bytes[self.same_len..]);
        self.same_len = self.bytes.len();
    }

    /// Leaves of each sector that was not flushed the old or the new bytes, and an end anywhere between the two.
    fn power_cut(&mut self, dice: &mut Noise) {
        if self.same_len == self.bytes.len() && self.same_len == self.flushed.len() {
            return;
        }
        let (short, long) = {
            let lens = [self.bytes.len(), self.flushed.len()];
            (lens[0].min(lens[1]), lens[0].max(lens[1]))
        };
        let range = (long - short) as u64 + 1;
        let len = short + usize::try_from(dice.number() % range).unwrap_or_default();
        let mut left = self.bytes[..self.same_len.min(len)].to_vec();
        while left.len() < len {
            let at = left.len();
            let end = len.min((at / SECTOR_LEN + 1) * SECTOR_LEN);
            let source = if dice.number().is_multiple_of(2) {
                &self.bytes
            } else {
                &self.flushed
            };
            let known = source.get(at..end.min(source.len())).unwrap_or_default();
            left.extend_from_slice(known);
            // What the system had not written yet is zeros.
            left.resize(end, 0);
        }
        *self = Self {
            same_len: len,
            flushed: left.clone(),
            bytes: left,
        };
    }
}

impl PackStates {
    /// Forgets what chance does not leave of what was not flushed.
    pub(super) fn power_cut(&mut self, dice: &mut Noise) {
        let mut numbers: Vec<u32> = self
            .names
            .keys()
            .chain(self.flushed_names.keys())
            .copied()
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut left = BTreeMap::new();
        for number in numbers {
            let names = if dice.number().is_multiple_of(2) {
                &self.names
            } else {
                &self.flushed_names
            };
            left.extend(names.get(&number).map(|inode| (number, *inode)));
        }
        self.files
            .retain(|inode, _| left.values().any(|found| found == inode));
        for file in self.files.values_mut() {
            file.power_cut(dice);
        }
        self.names.clone_from(&left);
        self.flushed_names = left;
    }

    /// Makes all of it durable.
    pub(super) fn flush_all(&mut self) {
        self.files.values_mut().for_each(FileState::flush);
        self.flushed_names.clone_from(&self.names);
    }

    /// Returns the number and the length of each pack.
    pub(super) fn lens(&self) -> Vec<(u32, usize)> {
        let len = |inode| self.files.get(inode).map_or(0, |file| file.bytes.len());
        self.names
            .iter()
            .map(|(pack, inode)| (*pack, len(inode)))
            .collect()
    }

    /// Damages a pack; what is not there stays as it is.
    pub(super) fn damage(&mut self, damage: Damage) {
        match damage {
            Damage::Flip { pack, at } => {
                if let Ok(file) = self.file(pack)
                    && let Some(byte) = file.bytes.get_mut(at)
                {
                    *byte ^= 0x10;
                    file.flushed.clone_from(&file.bytes);
                    file.same_len = file.bytes.len();
                }
            }
            Damage::Cut { pack, len } => {
                if let Ok(file) = self.file(pack) {
                    file.shorten(len);
                    file.flush();
                }
            }
            Damage::Lose { pack } => {
                self.names.remove(&pack);
                self.flushed_names.remove(&pack);
            }
        }
    }

    fn file(&mut self, pack: u32) -> io::Result<&mut FileState> {
        let inode = self.inode(pack)?;
        self.files.get_mut(&inode).ok_or_else(not_found)
    }

    fn inode(&self, pack: u32) -> io::Result<Inode> {
        self.names.get(&pack).copied().ok_or_else(not_found)
    }

    fn create(&mut self, pack: u32) {
        if self.names.contains_key(&pack) {
            return;
        }
        let next = self.files.last_key_value().map_or(0, |(last, _)| last + 1);
        self.names.insert(pack, next);
        self.files.insert(next, FileState::default());
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// A process's way to the packs.
#[derive(Debug, Clone)]
pub(in super::super) struct DiskPacks {
    disk: Arc<Mutex<Disk>>,
    life: Arc<Life>,
}

/// An open pack.
#[derive(Debug)]
struct OpenPack {
    packs: DiskPacks,
    inode: Inode,
}

impl DiskPacks {
    /// Lets a process use the packs of a disk.
    pub(in super::super) fn new(disk: Arc<Mutex<Disk>>, life: Arc<Life>) -> Self {
        Self { disk, life }
    }

    fn open(&self, pack: u32) -> io::Result<Arc<dyn PackFile>> {
        let inode = lock(&self.disk).packs.inode(pack)?;
        let packs = self.clone();
        Ok(Arc::new(OpenPack { packs, inode }))
    }

    /// Does something to the disk that happens as a whole or not at all.
    fn change(&self, change: impl FnOnce(&mut Disk) -> io::Result<()>) -> io::Result<()> {
        self.life.effect(|extent| match extent {
            Extent::Whole => change(&mut lock(&self.disk)),
            Extent::Part(_) => Ok(()),
        })
    }
}

impl PackFiles for DiskPacks {
    fn path(&self, pack: u32) -> PathBuf {
        self.directory().join(format!("{pack:08}.pack"))
    }

    fn directory(&self) -> &Path {
        Path::new("packs")
    }

    fn list(&self) -> io::Result<Vec<u32>> {
        Ok(lock(&self.disk).packs.names.keys().copied().collect())
    }

    fn open_to_append(&self, pack: u32, is_new: bool) -> io::Result<Arc<dyn PackFile>> {
        if is_new {
            self.change(|disk| {
                disk.packs.create(pack);
                Ok(())
            })?;
        }
        self.open(pack)
    }

    fn open_to_read(&self, pack: u32) -> io::Result<Arc<dyn PackFile>> {
        self.open(pack)
    }

    fn measure(&self, pack: u32) -> io::Result<u64> {
        Ok(lock(&self.disk).packs.file(pack)?.bytes.len() as u64)
    }

    fn shorten(&self, pack: u32, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.change(|disk| {
            disk.packs.file(pack)?.shorten(len);
            Ok(())
        })?;
        self.change(|disk| {
            disk.flush()?;
            disk.packs.file(pack)?.flush();
            Ok(())
        })
    }

    fn remove(&self, pack: u32) -> io::Result<()> {
        self.change(|disk| disk.packs.names.remove(&pack).map(|_| ()).ok_or_else(not_found))
    }

    fn release(&self, pack: u32, offset: u64, len: u64) -> io::Result<bool> {
        let [from, len] = [offset, len].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        self.change(|disk| {
            disk.packs.file(pack)?.release(from, from.saturating_add(len));
            Ok(())
        })?;
        Ok(true)
    }

    fn flush_names(&self) -> io::Result<()> {
        self.change(|disk| {
            disk.flush()?;
            disk.packs.flushed_names = disk.packs.names.clone();
            Ok(())
        })
    }

    fn free_bytes(&self) -> Option<u64> {
        let mut disk = lock(&self.disk);
        // So little room as a story leaves is what the server keeps for its database.
        disk.n_refused += u64::from(disk.room.is_some());
        disk.room
    }
}

impl PackFile for OpenPack {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.packs.life.effect(|extent| {
            let mut disk = lock(&self.packs.disk);
            let fitting = match disk.room {
                Some(room) => bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX)),
                None => bytes.len(),
            };
            let n_written = match extent {
                Extent::Whole => fitting,
                Extent::Part(number) => {
                    let n_possible = fitting as u64 + 1;
                    usize::try_from(number % n_possible).unwrap_or_default()
                }
            };
            if let Some(room) = &mut disk.room {
                *room -= n_written as u64;
            }
            let file = disk.packs.files.get_mut(&self.inode).ok_or_else(not_found)?;
            file.append(&bytes[..n_written]);
            if n_written < bytes.len() {
                disk.n_refused += 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(())
        })
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let disk = lock(&self.packs.disk);
        let file = disk.packs.files.get(&self.inode).ok_or_else(not_found)?;
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let found = file.bytes.get(from..from.saturating_add(bytes.len()));
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.packs.change(|disk| {
            disk.flush()?;
            let file = disk.packs.files.get_mut(&self.inode).ok_or_else(not_found)?;
            file.flush();
            Ok(())
        })
    }
}
