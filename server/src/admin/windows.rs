//! Writing exported files on Windows.

use std::fs::File;
use std::io;

/// Does nothing: what may be executed is said by the name here.
pub(super) fn make_executable(_file: &File) -> io::Result<()> {
    Ok(())
}
