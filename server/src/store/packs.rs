//! Chunks in append-only files: many in each, so that one flush makes many durable. One thread appends; any number
//! reads. What was appended is never changed, and nothing is read back but what the database refers to.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use sync_engine::{Bug, Hash, planted};

use super::blobs::{Blobs, Mark, NewBlob, Place};
use super::files::{PackFile, PackFiles};
use super::pack_file::{HEADER_LEN, Header};
use super::{AccountKey, StoreError};

/// A pack that has reached this length is not appended to, in bytes.
const PACK_LEN_MAX: u64 = 256 * 1024 * 1024;
/// Room that chunks leave on the disk, so that the database can still be written when nothing more fits, in bytes.
const RESERVE_LEN: u64 = 16 * 1024 * 1024;
/// The room is looked at whenever so much was appended, in bytes.
const LOOK_LEN: u64 = 1024 * 1024;
/// Records that are written at once, in bytes; a longer one is written alone.
const RUN_LEN_MAX: usize = 1024 * 1024;
/// Packs kept open for reading.
const OPEN_MAX: usize = 64;

/// The packs of a store.
#[derive(Debug)]
pub(crate) struct Packs {
    files: Arc<dyn PackFiles>,
    tail: Mutex<Tail>,
    open: Mutex<BTreeMap<u32, Arc<dyn PackFile>>>,
}

/// The end of the newest pack.
#[derive(Debug, Default)]
struct Tail {
    mark: Mark,
    /// Packs with something in them that is not flushed yet; the last is the one being appended to.
    unflushed: Vec<(u32, Arc<dyn PackFile>)>,
    /// The file of the newest pack, once something was appended.
    file: Option<Arc<dyn PackFile>>,
    /// What may be appended before the room on the disk is looked at again, in bytes.
    unlooked: u64,
}

impl Packs {
    /// Opens packs to append behind `end`. What lies behind it is cut off. What lies between `flushed` and it is
    /// flushed: a server that was killed may have left it to the system, which can still lose it.
    pub(super) fn open(files: Arc<dyn PackFiles>, flushed: Mark, end: Mark) -> Result<Self, StoreError> {
        let packs = Self::open_for_reading(files);
        packs.cut(end)?;
        let mut tail = packs.lock_tail();
        tail.mark = packs.sound_end(end);
        let behind = packs.numbers()?.into_iter();
        for pack in behind.filter(|pack| flushed < end && flushed.pack <= *pack) {
            let opened = packs.files.open_to_append(pack, false);
            let file = opened.map_err(packs.failed("opened", pack))?;
            tail.unflushed.push((pack, file));
        }
        drop(tail);
        packs.flush()?;
        Ok(packs)
    }

    /// Opens packs only to read.
    pub(super) fn open_for_reading(files: Arc<dyn PackFiles>) -> Self {
        Self {
            files,
            tail: Mutex::default(),
            open: Mutex::default(),
        }
    }

    /// Returns where to append: behind `end`, but never to a pack that has lost its end, where a record would not come
    /// to lie where the index has it.
    fn sound_end(&self, end: Mark) -> Mark {
        let is_sound = end.len == 0 || self.files.measure(end.pack).is_ok_and(|len| len == end.len);
        if is_sound {
            return end;
        }
        tracing::error!(
            pack = %self.files.path(end.pack).display(),
            "the newest pack is damaged: it is shorter than was noted; it stays as it is and a new one is begun; \
             run `server verify` and check the disk"
        );
        Mark {
            pack: end.pack + 1,
            len: 0,
        }
    }

    /// Returns the numbers of all packs, in order.
    pub(crate) fn numbers(&self) -> Result<Vec<u32>, StoreError> {
        self.files
            .list()
            .map_err(StoreError::file("listed", self.files.directory()))
    }

    /// Returns how long a pack is, in bytes.
    pub(crate) fn measure(&self, pack: u32) -> Result<u64, StoreError> {
        self.files.measure(pack).map_err(self.failed("measured", pack))
    }

    /// Gives the room of a part of a pack back to the system, if it can. Nothing may refer to it.
    pub(crate) fn release(&self, pack: u32, offset: u64, len: u64) -> Result<bool, StoreError> {
        let released = self.files.release(pack, offset, len);
        released.map_err(self.failed("shortened", pack))
    }

    /// Removes a pack that nothing refers to.
    pub(crate) fn remove(&self, pack: u32) -> Result<(), StoreError> {
        self.files.remove(pack).map_err(self.failed("removed", pack))?;
        self.flush_names()
    }

    /// Returns a closure that wraps an error of a pack's file.
    fn failed(&self, deed: &'static str, pack: u32) -> impl FnOnce(io::Error) -> StoreError + use<> {
        let path = self.files.path(pack);
        move |source| StoreError::File { deed, path, source }
    }

    fn lock_tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts off all that lies behind a mark.
    fn cut(&self, mark: Mark) -> Result<(), StoreError> {
        let mut cut_any = false;
        for pack in self.numbers()?.into_iter().filter(|pack| *pack >= mark.pack) {
            if pack > mark.pack || mark.len == 0 {
                self.files.remove(pack).map_err(self.failed("removed", pack))?;
                cut_any = true;
                continue;
            }
            let len = self.files.measure(pack).map_err(self.failed("measured", pack))?;
            if mark.len < len {
                let shortened = self.files.shorten(pack, mark.len);
                shortened.map_err(self.failed("shortened", pack))?;
            }
        }
        if cut_any { self.flush_names() } else { Ok(()) }
    }

    fn flush_names(&self) -> Result<(), StoreError> {
        if planted(Bug::PackNamesNotFlushed) {
            return Ok(());
        }
        self.files.flush_names().map_err(|source| StoreError::NotFlushed {
            path: self.files.directory().to_owned(),
            source,
        })
    }

    /// Returns the file to append to, and begins a new pack when the newest is long enough.
    fn file_to_append(&self, tail: &mut Tail) -> Result<Arc<dyn PackFile>, StoreError> {
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
        let pack = tail.mark.pack;
        let is_new = tail.mark.len == 0;
        let opened = self.files.open_to_append(pack, is_new);
        let file = opened.map_err(self.failed("opened", pack))?;
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
        let free = self.files.free_bytes();
        if free.is_some_and(|free| free < RESERVE_LEN + LOOK_LEN) {
            let failed = StoreError::file("extended", self.files.directory());
            return Err(failed(io::ErrorKind::StorageFull.into()));
        }
        tail.unlooked = LOOK_LEN;
        Ok(())
    }

    /// Appends records to one pack with one write.
    fn append_run(
        &self,
        tail: &mut Tail,
        run: &[NewBlob],
        places: &mut Vec<Place>,
    ) -> Result<(), StoreError> {
        let len = run.iter().map(record_len).sum();
        self.check_room(tail, len as u64)?;
        let file = self.file_to_append(tail)?;
        let Mark { pack, len: start } = tail.mark;
        let mut records = Vec::with_capacity(len);
        for blob in run {
            let header = Header::of(blob);
            places.push(Place {
                pack,
                offset: start + records.len() as u64,
                stored_len: header.stored_len,
            });
            records.extend_from_slice(&header.to_bytes());
            records.extend_from_slice(&blob.bytes);
        }
        if let Err(source) = file.append(&records) {
            // What was written of the records must not stand before the next ones.
            let shortened = self.files.shorten(pack, start);
            shortened.map_err(|source| StoreError::NotFlushed {
                path: self.files.path(pack),
                source,
            })?;
            return Err(self.failed("written", pack)(source));
        }
        tail.mark.len += records.len() as u64;
        if tail.unflushed.last().is_none_or(|(last, _)| *last != pack) {
            tail.unflushed.push((pack, file));
        }
        Ok(())
    }

    fn file_to_read(&self, pack: u32) -> Result<Arc<dyn PackFile>, StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&pack) {
            return Ok(file.clone());
        }
        if OPEN_MAX <= open.len() {
            open.clear();
        }
        let opened = self.files.open_to_read(pack);
        let file = opened.map_err(self.failed("opened", pack))?;
        open.insert(pack, file.clone());
        Ok(file)
    }

    /// Reads the header and the bytes of the record at a place.
    pub(crate) fn read_record(&self, place: Place) -> Result<(Header, Bytes), StoreError> {
        let mut record = vec![0; HEADER_LEN + place.stored_len as usize];
        let file = self.file_to_read(place.pack)?;
        file.read_at(&mut record, place.offset)
            .map_err(|source| match source.kind() {
                io::ErrorKind::UnexpectedEof => damaged(place),
                _ => self.failed("read", place.pack)(source),
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

fn record_len(blob: &NewBlob) -> usize {
    HEADER_LEN + blob.bytes.len()
}

/// Returns how many of these chunks are written at once: at least one.
fn run_of(blobs: &[NewBlob]) -> usize {
    let mut len = 0;
    let fits = blobs.iter().take_while(|blob| {
        len += record_len(blob);
        len <= RUN_LEN_MAX
    });
    fits.count().max(1)
}

fn damaged(place: Place) -> StoreError {
    StoreError::Damaged {
        what: format!("the record at byte {} of pack {}", place.offset, place.pack),
    }
}

impl Blobs for Packs {
    fn append(&self, blobs: &[NewBlob]) -> Result<Vec<Place>, StoreError> {
        let mut tail = self.lock_tail();
        let mut places = Vec::with_capacity(blobs.len());
        let mut rest = blobs;
        while !rest.is_empty() {
            let (run, behind) = rest.split_at(run_of(rest));
            self.append_run(&mut tail, run, &mut places)?;
            rest = behind;
        }
        Ok(places)
    }

    fn mark(&self) -> Mark {
        self.lock_tail().mark
    }

    fn flush(&self) -> Result<Mark, StoreError> {
        let (mark, unflushed) = {
            let mut tail = self.lock_tail();
            (tail.mark, std::mem::take(&mut tail.unflushed))
        };
        for (pack, file) in unflushed.into_iter().filter(|_| !planted(Bug::PacksNotFlushed)) {
            file.flush().map_err(|source| StoreError::NotFlushed {
                path: self.files.path(pack),
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
