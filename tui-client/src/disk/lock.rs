//! The lock `.holdfast/lock`: it keeps a second client off the folder for as long as the first one lives, and ends with
//! the process, however that ends.

use super::error::DiskError;
use super::platform;
use super::root::Root;
use super::volume::File;
use std::io::{self, Read, Seek, Write};

const LOCK: &str = "lock";
/// The longest text read from a lock file, in bytes.
const LOCK_LEN_MAX: u64 = 32;

/// The right to be the folder's only client. Dropping it gives it up.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl Root {
    /// Takes the folder's lock.
    ///
    /// # Errors
    /// [`DiskError::InUse`] when another client has it.
    pub fn lock(&self) -> Result<FolderLock, DiskError> {
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
            Err(error) if platform::is_busy(&error) => return Err(DiskError::InUse { pid: None }),
            Err(error) if platform::is_link_in_the_way(&error) => {
                return Err(DiskError::ForeignPrivate {
                    name: LOCK.to_owned(),
                });
            }
            result => result.map_err(failed("open"))?,
        };
        if !file.lock().map_err(failed("lock"))? {
            let mut text = String::new();
            // Only for people to read: a text that cannot be read is no further trouble.
            let _ = (&file).take(LOCK_LEN_MAX).read_to_string(&mut text);
            let pid = text.trim_end().parse().ok();
            return Err(DiskError::InUse { pid });
        }
        let note = |file: &mut File| -> io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            // Of one length for all, so that no run on a simulated disk depends on it.
            writeln!(file, "{:010}", std::process::id())
        };
        match note(&mut file) {
            // The lock holds without it.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => (),
            result => result.map_err(failed("write"))?,
        }
        Ok(FolderLock { _file: file })
    }
}
