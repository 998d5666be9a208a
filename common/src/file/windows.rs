//! What Windows has to say about small files: access follows the folder, and names are durable without being asked.

use super::Readers;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Makes a file that must not exist.
pub(super) fn create(path: &Path, readers: Readers) -> io::Result<File> {
    match readers {
        Readers::Owner | Readers::Everyone => OpenOptions::new().write(true).create_new(true).open(path),
    }
}

/// Returns nothing: a file here has the access list of the folder that it is in, and no mode.
pub(super) fn mode_if_readable_by_others(_file: &File) -> io::Result<Option<u32>> {
    Ok(None)
}

/// Does nothing: NTFS writes the names to its log before it says that they are there.
pub(super) fn flush_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
