//! Reading and writing at a place in a file, on Unix.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Fills a buffer from a place in a file.
///
/// # Errors
/// When the file ends before (`UnexpectedEof`) or cannot be read.
pub(super) fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(bytes, offset)
}

/// Writes all bytes at a place in a file.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}
