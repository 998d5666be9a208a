//! Who has what open, and what is mounted, on Windows. The system does not tell whose files are open; but it tells of
//! what is written through a map when it is brought to the disk, and a file that is open for writing is not replaced.

use std::path::Path;

/// Returns nothing: see the module's page.
pub(super) fn written(_folder: &Path) -> Vec<Vec<u8>> {
    Vec::new()
}

/// Returns nothing: what is mounted in a directory there is a reparse point, which is no directory to the client.
pub(super) fn mounts(_folder: &Path) -> Vec<Vec<u8>> {
    Vec::new()
}
