//! Chunks in append-only files: many in each, so that one flush makes many durable. One thread appends; any number
//! reads. What was appended is never changed, and nothing is read back but what the database refers to.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use sync_engine::Hash;

use super::blobs::{Blobs, Mark, NewBlob, Place};
use super::pack_file::{HEADER_LEN, Header};
use super::system::{append_private, flush_dir, free_bytes, read_at};
use super::{AccountKey, StoreError};

/// A pack that has reached this length is not appended to, in bytes.
const PACK_LEN_MAX: u64 = 256 * 1024 * 1024;
/// Room that chunks leave on the disk, so that the database can still be written when nothing more fits, in bytes.
const RESERVE_LEN: u64 = 16 * 1024 * 1024;
/// The room is looked at whenever so much was appended, in bytes.
const LOOK_LEN: u64 = 1024 * 1024;
/// Packs kept open for reading.
const OPEN_MAX: usize = 64;

/// A directory of packs.
#[derive(Debug)]
pub(crate) struct Packs {
    directory: PathBuf,
    tail: Mutex<Tail>,
    open: Mutex<BTreeMap<u32, Arc<File>>>,
}

/// The end of the newest pack.
#[derive(Debug, Default)]
struct Tail {
    mark: Mark,
    /// Packs with something in them that is not flushed yet; the last is the one being appended to.
    unflushed: Vec<(u32, Arc<File>)>,
    /// The file of the newest pack, once something was appended.
    file: Option<Arc<File>>,
    /// What may be appended before the room on the disk is looked at again, in bytes.
    unlooked: u64,
}

impl Packs {
    /// Opens a directory to append behind `mark`. What lies behind it is cut off.
    pub(super) fn open(directory: &Path, mark: Mark) -> Result<Self, StoreError> {
        let packs = Self::open_for_reading(directory);
        packs.lock_tail().mark = mark;
        packs.cut(mark)?;
        Ok(packs)
    }

    /// Opens a directory only to read.
    pub(super) fn open_for_reading(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            tail: Mutex::default(),
            open: Mutex::default(),
        }
    }

    /// Returns the numbers of all packs in a directory, in order.
    pub(crate) fn numbers(&self) -> Result<Vec<u32>, StoreError> {
        let failed = |source| StoreError::File {
            deed: "listed",
            path: self.directory.clone(),
            source,
        };
        let mut numbers = Vec::new();
        for item in fs::read_dir(&self.directory).map_err(failed)? {
            let name = item.map_err(failed)?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(".pack"));
            numbers.extend(stem.and_then(|stem| stem.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn path(&self, pack: u32) -> PathBuf {
        self.directory.join(format!("{pack:08}.pack"))
    }

    fn lock_tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts off all that lies behind a mark.
    fn cut(&self, mark: Mark) -> Result<(), StoreError> {
        let mut cut_any = false;
        for pack in self.numbers()?.into_iter().filter(|pack| *pack >= mark.pack) {
            let path = self.path(pack);
            if pack > mark.pack || mark.len == 0 {
                fs::remove_file(&path).map_err(StoreError::file("removed", &path))?;
                cut_any = true;
                continue;
            }
            let file = OpenOptions::new()
                .write(true)
                .open(&path)
                .map_err(StoreError::file("opened", &path))?;
            let len = file
                .metadata()
                .map_err(StoreError::file("measured", &path))?
                .len();
            if mark.len < len {
                file.set_len(mark.len)
                    .map_err(StoreError::file("shortened", &path))?;
                file.sync_all()
                    .map_err(|source| StoreError::NotFlushed { path, source })?;
            }
        }
        if cut_any { self.flush_names() } else { Ok(()) }
    }

    fn flush_names(&self) -> Result<(), StoreError> {
        flush_dir(&self.directory).map_err(|source| StoreError::NotFlushed {
            path: self.directory.clone(),
            source,
        })
    }

    /// Returns the file to append to, and begins a new pack when the newest is long enough.
    fn file_to_append(&self, tail: &mut Tail) -> Result<Arc<File>, StoreError> {
        if tail.mark.pack == 0 || PACK_LEN_MAX <= tail.mark.len {
            tail.mark = Mark {
                pack: tail.mark.pack + 1,
                len: 0,
            };
            tail.file = None;
        }
        if let Some(file) = &tail.file {
            return Ok(file.clone());
        }
        let path = self.path(tail.mark.pack);
        let is_new = tail.mark.len == 0;
        let opened = append_private(&path, is_new);
        let file = Arc::new(opened.map_err(StoreError::file("opened", &path))?);
        if is_new {
            self.flush_names()?;
        }
        tail.file = Some(file.clone());
        Ok(file)
    }

    /// Refuses to go on when the disk is nearly full.
    fn check_room(&self, tail: &mut Tail, len: u64) -> Result<(), StoreError> {
        if len <= tail.unlooked {
            tail.unlooked -= len;
            return Ok(());
        }
        if free_bytes(&self.directory).is_some_and(|free| free < RESERVE_LEN + LOOK_LEN) {
            let source = io::ErrorKind::StorageFull.into();
            return Err(StoreError::File {
                deed: "extended",
                path: self.directory.clone(),
                source,
            });
        }
        tail.unlooked = LOOK_LEN;
        Ok(())
    }

    fn file_to_read(&self, pack: u32) -> Result<Arc<File>, StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&pack) {
            return Ok(file.clone());
        }
        if OPEN_MAX <= open.len() {
            open.clear();
        }
        let path = self.path(pack);
        let file = Arc::new(File::open(&path).map_err(StoreError::file("opened", &path))?);
        open.insert(pack, file.clone());
        Ok(file)
    }

    /// Reads the header and the bytes of the record at a place.
    pub(crate) fn read_record(&self, place: Place) -> Result<(Header, Bytes), StoreError> {
        let path = self.path(place.pack);
        let mut record = vec![0; HEADER_LEN + place.stored_len as usize];
        let file = self.file_to_read(place.pack)?;
        read_at(&file, &mut record, place.offset).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => damaged(place),
            _ => StoreError::File {
                deed: "read",
                path,
                source,
            },
        })?;
        let mut record = Bytes::from(record);
        let head = record.split_to(HEADER_LEN);
        let header = head.as_ref().try_into().ok().and_then(Header::from_bytes);
        match header {
            Some(header) if header.stored_len == place.stored_len => Ok((header, record)),
            Some(_) | None => Err(damaged(place)),
        }
    }
}

fn damaged(place: Place) -> StoreError {
    StoreError::Damaged {
        what: format!("the record at byte {} of pack {}", place.offset, place.pack),
    }
}

impl Blobs for Packs {
    fn append(&self, blob: &NewBlob) -> Result<Place, StoreError> {
        let mut tail = self.lock_tail();
        self.check_room(&mut tail, blob.bytes.len() as u64)?;
        let file = self.file_to_append(&mut tail)?;
        let header = Header::of(blob);
        let place = Place {
            pack: tail.mark.pack,
            offset: tail.mark.len,
            stored_len: header.stored_len,
        };
        let mut record = Vec::with_capacity(HEADER_LEN + blob.bytes.len());
        record.extend_from_slice(&header.to_bytes());
        record.extend_from_slice(&blob.bytes);
        if let Err(source) = (&*file).write_all(&record) {
            // What was written of the record must not stand before the next one.
            let path = self.path(place.pack);
            file.set_len(place.offset)
                .map_err(|source| StoreError::NotFlushed {
                    path: path.clone(),
                    source,
                })?;
            return Err(StoreError::File {
                deed: "written",
                path,
                source,
            });
        }
        tail.mark.len += record.len() as u64;
        let pack = place.pack;
        if tail.unflushed.last().is_none_or(|(last, _)| *last != pack) {
            tail.unflushed.push((pack, file));
        }
        Ok(place)
    }

    fn mark(&self) -> Mark {
        self.lock_tail().mark
    }

    fn flush(&self) -> Result<Mark, StoreError> {
        let (mark, unflushed) = {
            let mut tail = self.lock_tail();
            (tail.mark, std::mem::take(&mut tail.unflushed))
        };
        for (pack, file) in unflushed {
            file.sync_data().map_err(|source| StoreError::NotFlushed {
                path: self.path(pack),
                source,
            })?;
        }
        Ok(mark)
    }

    fn rewind(&self, mark: Mark) -> Result<(), StoreError> {
        let mut tail = self.lock_tail();
        if tail.mark == mark {
            return Ok(());
        }
        tail.file = None;
        tail.unflushed.retain(|(pack, _)| *pack <= mark.pack);
        tail.mark = mark;
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|pack, _| *pack <= mark.pack);
        self.cut(mark)
    }

    fn read(&self, account: AccountKey, hash: &Hash, place: Place) -> Result<Bytes, StoreError> {
        let (header, bytes) = self.read_record(place)?;
        if header.account == account && header.hash == *hash {
            Ok(bytes)
        } else {
            Err(damaged(place))
        }
    }
}
