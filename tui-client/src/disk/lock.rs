//! The lock `.holdfast/lock`: it keeps a second client off the folder for as long as the first one lives, and ends with
//! the process, however that ends.

#[cfg(unix)]
#[path = "lock/unix.rs"]
mod asking;
#[cfg(windows)]
#[path = "lock/windows.rs"]
mod asking;

use super::error::DiskError;
use super::platform;
use super::root::Root;
use super::volume::File;
use std::io::{self, Read, Seek, Write};

const LOCK: &str = "lock";
/// The longest text read from a lock file, in bytes.
const LOCK_LEN_MAX: u64 = 32;

/// Who holds a folder's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A client that a person or a service started.
    Client,
    /// A client that a command started, which gives way to any other.
    Helper,
}

impl Holder {
    // Of one length for all, so that no run on a simulated disk depends on it.
    const WORDS: [(Self, &str); 2] = [(Self::Client, "client"), (Self::Helper, "helper")];

    fn word(self) -> &'static str {
        Self::WORDS[usize::from(self == Self::Helper)].1
    }

    fn of_word(word: &str) -> Option<Self> {
        Self::WORDS
            .into_iter()
            .find(|(_, known)| *known == word)
            .map(|(holder, _)| holder)
    }
}

/// The right to be the folder's only client. Dropping it gives it up.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        self.file.unlock();
    }
}

impl Root {
    /// Returns the process that holds the folder's lock, as far as that can be told without trying to take it.
    #[must_use]
    pub fn lock_holder(&self) -> Option<u32> {
        let file = self.private().ok()?.dir.open_own_file(LOCK.as_bytes()).ok()?;
        let (pid, _) = read_note(&file);
        pid.filter(|pid| asking::is_held(&self.private_path(LOCK), *pid))
    }

    /// Takes the folder's lock, as a client.
    ///
    /// # Errors
    /// [`DiskError::InUse`] when another client has it.
    pub fn lock(&self) -> Result<FolderLock, DiskError> {
        self.lock_as(Holder::Client)
    }

    /// Takes the folder's lock. Nothing but a client takes it, not even for a moment: whoever only wants to know whether a
    /// client runs asks at its socket.
    ///
    /// # Errors
    /// [`DiskError::InUse`] when another client has it.
    pub fn lock_as(&self, holder: Holder) -> Result<FolderLock, DiskError> {
        let dir = &self.private()?.dir;
        let failed = |deed| {
            move |source| DiskError::Private {
                deed,
                name: LOCK.to_owned(),
                source,
            }
        };
        let opened = match dir.create_file(LOCK.as_bytes(), 0o600) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => dir.open_own_file(LOCK.as_bytes()),
            result => result,
        };
        let mut file = match opened {
            Err(error) if platform::is_busy(&error) => {
                return Err(DiskError::InUse {
                    pid: None,
                    holder: None,
                });
            }
            Err(error) if platform::is_link_in_the_way(&error) => {
                return Err(DiskError::ForeignPrivate {
                    name: LOCK.to_owned(),
                });
            }
            result => result.map_err(failed("open"))?,
        };
        if !file.lock().map_err(failed("lock"))? {
            let (pid, holder) = read_note(&file);
            return Err(DiskError::InUse { pid, holder });
        }
        let note = |file: &mut File| -> io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{:010} {}", std::process::id(), holder.word())
        };
        match note(&mut file) {
            // The lock holds without it.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => (),
            result => result.map_err(failed("write"))?,
        }
        self.hold_private(LOCK)?;
        Ok(FolderLock { file })
    }
}

/// Reads which process holds a lock, and what it is, as it noted.
fn read_note(file: &File) -> (Option<u32>, Option<Holder>) {
    let mut text = String::new();
    // The lock holds without it: a text that cannot be read is no further trouble.
    let _ = file.take(LOCK_LEN_MAX).read_to_string(&mut text);
    let mut words = text.split_whitespace();
    let pid = words.next().and_then(|pid| pid.parse().ok());
    (pid, words.next().and_then(Holder::of_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_with_its_holder_even_if_a_child_still_has_the_descriptor() {
        let home = tempfile::tempdir().unwrap();
        let root = Root::open(home.path()).unwrap();
        root.create_private().unwrap();
        let lock = root.lock().unwrap();
        let Ok(child) = lock.file.try_clone() else {
            panic!("no second descriptor");
        };
        drop(lock);
        drop(root.lock().unwrap());
        drop(child);
    }
}
