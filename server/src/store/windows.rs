//! What the store needs of Windows: reading at an offset, private directories, flushing a directory.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::FileExt;
use std::path::Path;

/// Fills `bytes` from an offset of a file.
pub(crate) fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.seek_read(bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                bytes = &mut bytes[n..];
                offset += n as u64;
            }
        }
    }
    Ok(())
}

/// Makes a directory and those above it. It inherits who may read it, as is the custom here.
pub(crate) fn make_private_dir(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Opens a file to append to. Who may read it is inherited from its directory here.
pub(crate) fn append_private(path: &Path, create: bool) -> io::Result<File> {
    OpenOptions::new().append(true).create(create).open(path)
}

/// Does nothing: names are durable here when the file is.
pub(crate) fn flush_dir(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Does nothing: a part of a file is given back here only if the file was made for it.
pub(crate) fn release_range(_file: &File, _offset: u64, _len: u64) -> io::Result<bool> {
    Ok(false)
}

/// Says nothing: without a library of its own for it, a full disk is only noticed when it is.
pub(crate) fn free_bytes(_path: &Path) -> Option<u64> {
    None
}
