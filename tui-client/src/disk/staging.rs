//! Staging: new bytes are gathered in the private directory, sealed with their attributes, flushed in groups, and only
//! then moved into place. Nothing under a final name is ever half written. A power cut costs at most what is in staging.

use super::bits::mode_with_exec;
use super::error::DiskError;
use super::root::{Root, random_name};
use super::sight::{FileType, Print};
use super::volume::File;
use std::collections::BTreeSet;
use std::io::{self, Seek, SeekFrom};
use sync_engine::{Bug, Hash, planted};

/// The names of files that nobody will ask for again begin so.
pub(super) const NAMELESS: &str = "s-";
/// The names of files that a later start may go on with begin so.
pub(super) const NAMED: &str = "k-";
/// Up to this many files are flushed one by one; more are flushed with their whole file system at once.
const FLUSH_EACH_MAX: usize = 4;

/// A file in staging that is being written. Dropping it removes it, unless it has a key: then a later
/// [`Root::stage_named`] finds it as it was left.
#[derive(Debug)]
pub struct Staged {
    root: Root,
    file: File,
    name: String,
    is_kept: bool,
}

/// A file in staging that is complete, with its final attributes. Only such a file can be moved into place.
#[derive(Debug)]
pub struct Sealed {
    staged: Staged,
    print: Print,
    is_flushed: bool,
}

fn failed(deed: &'static str) -> impl Fn(io::Error) -> DiskError {
    move |source| DiskError::Stage { deed, source }
}

impl Root {
    /// Makes a new, empty file in staging, readable by this user alone.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn stage(&self) -> Result<Staged, DiskError> {
        let name = format!("{NAMELESS}{}", random_name());
        self.create_staged(name, false)
    }

    /// Opens the file in staging that was begun under this key, or makes it. What is in it was written by an earlier
    /// attempt and must be checked before it is believed.
    ///
    /// # Errors
    /// When it cannot be opened or made, or when it is open already (`ResourceBusy`).
    pub fn stage_named(&self, key: &Hash) -> Result<Staged, DiskError> {
        let name = format!("{NAMED}{key}");
        let staging = &self.private()?.staging;
        let is_sound = match staging.stat(name.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.create_staged(name, true),
            // A second name means that the bytes are in use elsewhere, which a write would change.
            Ok(seen) => seen.file_type == FileType::File && seen.print.links == 1 && !seen.elsewhere,
            Err(error) => return Err(failed("look for")(error)),
        };
        if !is_sound {
            staging
                .unlink(name.as_bytes())
                .map_err(failed("remove a foreign name of"))?;
            return self.create_staged(name, true);
        }
        let file = staging.open_own_file(name.as_bytes()).map_err(failed("open"))?;
        self.locked(file, name)
    }

    /// Tells whether a file in staging was begun under this key.
    ///
    /// # Errors
    /// When the disk does not answer.
    pub fn has_begun(&self, key: &Hash) -> Result<bool, DiskError> {
        let name = format!("{NAMED}{key}");
        match self.private()?.staging.stat(name.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("look for")(error)),
            Ok(_) => Ok(true),
        }
    }

    /// Removes the files in staging that were begun under a key, but for those that are still wanted. One that is open stays,
    /// since somebody may be going on with it; returns whether there was none.
    ///
    /// # Errors
    /// When staging cannot be listed.
    pub fn drop_begun(&self, wanted: &BTreeSet<Hash>) -> Result<bool, DiskError> {
        let names = self.private()?.staging.names().map_err(failed("list"))?;
        let key = |name: Vec<u8>| std::str::from_utf8(&name).ok()?.strip_prefix(NAMED)?.parse().ok();
        let mut all = true;
        for key in names
            .into_iter()
            .filter_map(key)
            .filter(|key| !wanted.contains(key))
        {
            match self.stage_named(&key) {
                Ok(begun) => begun.discard(),
                Err(_) => all = false,
            }
        }
        Ok(all)
    }

    fn create_staged(&self, name: String, is_kept: bool) -> Result<Staged, DiskError> {
        let create = || -> Result<io::Result<File>, DiskError> {
            Ok(self.private()?.staging.create_file(name.as_bytes(), 0o600))
        };
        let file = match create()? {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Somebody removed the directory.
                self.mend_private();
                create()?
            }
            result => result,
        };
        let file = file.map_err(failed("make"))?;
        // A name that nobody else can make needs no lock.
        if is_kept {
            self.locked(file, name)
        } else {
            Ok(self.staged(file, name, is_kept))
        }
    }

    /// Locks a file in staging with a key, so that two downloads with one key do not write over each other.
    fn locked(&self, file: File, name: String) -> Result<Staged, DiskError> {
        if !file.lock().map_err(failed("lock"))? {
            return Err(failed("lock")(io::ErrorKind::ResourceBusy.into()));
        }
        Ok(self.staged(file, name, true))
    }

    fn staged(&self, file: File, name: String, is_kept: bool) -> Staged {
        let root = self.clone();
        Staged {
            root,
            file,
            name,
            is_kept,
        }
    }

    /// Flushes sealed files, many at once. After an error they must be dropped and staged anew: the system may have
    /// forgotten what it could not write, so that flushing again would succeed and prove nothing.
    ///
    /// # Errors
    /// When something could not be written; then none of them counts as flushed.
    pub fn flush_staged(&self, files: &mut [Sealed]) -> Result<(), DiskError> {
        let failed = |source| DiskError::Flush { source };
        let pending = || {
            let all = files.iter().filter(|sealed| !sealed.is_flushed);
            all.filter(|_| !planted(Bug::StagingNotFlushed))
        };
        if pending().count() <= FLUSH_EACH_MAX || !self.dir().flush_file_system().map_err(failed)? {
            for sealed in pending() {
                sealed.staged.file.sync_all().map_err(failed)?;
            }
        }
        for sealed in files {
            sealed.is_flushed = true;
        }
        Ok(())
    }
}

impl Staged {
    /// The file, to be written and read.
    #[must_use]
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Removes it, also when it has a key.
    pub fn discard(mut self) {
        self.is_kept = false;
    }

    /// Gives the file its final attributes: 0666 or 0777 without what the user's mask takes away, never set-user-id or
    /// set-group-id, and the modification time.
    ///
    /// # Errors
    /// When the attributes cannot be set; the file is then dropped.
    pub fn seal(self, exec: bool, mtime_ns: i64) -> Result<Sealed, DiskError> {
        let mode = self.root.private()?.mode_exec;
        self.seal_with_mode(if exec { mode } else { mode & 0o666 }, mtime_ns)
    }

    /// Gives the file its final attributes as [`Staged::seal`] does, but for the mode: that is another's, of which only who
    /// may execute it is changed.
    ///
    /// # Errors
    /// When the attributes cannot be set; the file is then dropped.
    pub fn seal_like(self, mode: u32, exec: bool, mtime_ns: i64) -> Result<Sealed, DiskError> {
        let mode_exec = self.root.private()?.mode_exec;
        self.seal_with_mode(mode_with_exec(mode, exec, mode_exec), mtime_ns)
    }

    /// Seals with exact permissions, out of 0777.
    pub(super) fn seal_with_mode(self, mode: u32, mtime_ns: i64) -> Result<Sealed, DiskError> {
        self.file
            .set_mode(mode & 0o777)
            .map_err(failed("set the mode of"))?;
        self.file.set_mtime(mtime_ns).map_err(failed("set the time of"))?;
        let print = self.root.print_of(&self.file).map_err(failed("look at"))?;
        Ok(Sealed {
            staged: self,
            print,
            is_flushed: false,
        })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.name.starts_with(NAMED) {
            self.file.unlock();
        }
        if self.is_kept {
            return;
        }
        if let Ok(private) = self.root.private() {
            // What cannot be removed now is swept up at the next start.
            let _ = private.staging.unlink(self.name.as_bytes());
        }
    }
}

impl Sealed {
    /// Its print as it was sealed; moving it into place changes `ctime_ns` only.
    #[must_use]
    pub fn print(&self) -> &Print {
        &self.print
    }

    /// The file, to be read.
    ///
    /// # Errors
    /// When it cannot be read from its beginning.
    pub fn reader(&mut self) -> io::Result<&File> {
        self.staged.file.seek(SeekFrom::Start(0))?;
        Ok(&self.staged.file)
    }

    /// Flushes it unless that was done.
    pub(super) fn flush(&mut self) -> Result<(), DiskError> {
        let root = self.staged.root.clone();
        root.flush_staged(std::slice::from_mut(self))
    }

    /// Its name in staging.
    pub(super) fn name(&self) -> &[u8] {
        self.staged.name.as_bytes()
    }

    /// Says that the name in staging is no longer its own, and returns its print as it is now.
    pub(super) fn moved(&mut self) -> io::Result<Print> {
        self.staged.is_kept = true;
        self.staged.root.print_of(&self.staged.file)
    }

    /// Says that its name in staging is its own again.
    pub(super) fn moved_back(&mut self) {
        self.staged.is_kept = self.staged.name.starts_with(NAMED);
    }
}
