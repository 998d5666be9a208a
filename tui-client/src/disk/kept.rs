//! `.holdfast/rules`: the folder's rules as they were read last, for the time in which no file holds any.

use super::root::{Root, random_name};
use std::io::{self, Read};

/// The name of the file.
const KEPT: &[u8] = b"rules";
/// More of it than this is not read, in bytes.
const KEPT_LEN_MAX: u64 = 1024 * 1024;

impl Root {
    /// Keeps the rules, unless they are kept already. That they cannot be kept is no reason to stop: then the usual ones
    /// stand in for them.
    pub fn keep_rules(&self, bytes: &[u8]) {
        if self.kept_rules() != bytes
            && let Err(error) = self.write_rules(bytes)
        {
            tracing::warn!(%error, "the rules could not be kept");
        }
    }

    /// Returns the rules that were kept last; nothing when there are none, or when they cannot be read.
    #[must_use]
    pub fn kept_rules(&self) -> Vec<u8> {
        let read = || -> io::Result<Vec<u8>> {
            let private = self.private().map_err(io::Error::other)?;
            let mut bytes = Vec::new();
            private
                .dir
                .open_file(KEPT)?
                .take(KEPT_LEN_MAX)
                .read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().unwrap_or_default()
    }

    fn write_rules(&self, bytes: &[u8]) -> io::Result<()> {
        use io::Write as _;
        let private = self.private().map_err(io::Error::other)?;
        let name = random_name();
        let write = || -> io::Result<()> {
            let mut file = private.staging.create_file(name.as_bytes(), 0o600)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            private.dir.rename_over(&private.staging, name.as_bytes(), KEPT)
        };
        write().inspect_err(|_| {
            // It may not even have been made; a leftover is swept up at the next start.
            let _ = private.staging.unlink(name.as_bytes());
        })
    }
}
