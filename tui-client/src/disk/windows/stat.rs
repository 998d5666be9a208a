//! Looking at names and open files, on Windows: one opening of the thing itself, following nothing.

use super::{Dir, MetadataExt};
use crate::disk::sight::{FileType, Print, Seen};
use std::fs::File;
use std::io;
use winapi_util::file::information;

/// The time of 1970, in the units of Windows: 100 nanoseconds since 1601.
const UNIX_EPOCH_TICKS: i128 = 116_444_736_000_000_000;

impl Dir {
    /// Looks at an open file.
    pub(super) fn stat_open(&self, file: &File) -> io::Result<Seen> {
        let metadata = file.metadata()?;
        let information = information(file)?;
        let device = information.volume_serial_number();
        let file_type = match &metadata {
            found if found.is_symlink() => FileType::Symlink,
            found if found.is_dir() => FileType::Dir,
            found if found.is_file() => FileType::File,
            _ => FileType::Other,
        };
        Ok(Seen {
            file_type,
            print: Print {
                device: if device == self.0.device() { 0 } else { device },
                inode: information.file_index(),
                birth_ns: nanoseconds(metadata.creation_time()),
                size_bytes: metadata.file_size(),
                mtime_ns: nanoseconds(metadata.last_write_time()),
                // The time of the last change of anything is not told by the standard library.
                ctime_ns: 0,
                mode: 0o666,
                links: information.number_of_links().try_into().unwrap_or(u32::MAX),
            },
            elsewhere: device != self.0.device(),
        })
    }
}

fn nanoseconds(ticks: u64) -> i64 {
    let since_1970 = (i128::from(ticks) - UNIX_EPOCH_TICKS) * 100;
    since_1970
        .try_into()
        .unwrap_or(if since_1970 < 0 { i64::MIN } else { i64::MAX })
}
