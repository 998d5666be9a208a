//! Looking at names and open files, on Unix: one system call each, following nothing.

use super::Dir;
use crate::disk::sight::{FileType, Print, Seen};
use common::beneath::device_of;
use rustix::fs::{self, AtFlags};
#[cfg(target_os = "linux")]
use rustix::io::Errno;
use std::io;
use std::os::fd::BorrowedFd;

impl Dir {
    #[cfg(target_os = "linux")]
    pub(super) fn stat_with(&self, fd: BorrowedFd<'_>, name: &[u8], flags: AtFlags) -> io::Result<Seen> {
        use fs::{StatxAttributes as Attributes, StatxFlags as Wanted};
        let wanted = Wanted::BASIC_STATS | Wanted::BTIME;
        let stat = match fs::statx(fd, name, flags | AtFlags::NO_AUTOMOUNT, wanted) {
            Err(Errno::NOSYS) => return self.stat_plain(fd, name, flags),
            result => result?,
        };
        let time = |time: fs::StatxTimestamp| nanoseconds(time.tv_sec, time.tv_nsec.into());
        let mode = u32::from(stat.stx_mode);
        let file_type = file_type(mode);
        let device = fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
        let knows_mounts = stat.stx_attributes_mask.contains(Attributes::MOUNT_ROOT);
        let is_mounted = knows_mounts && stat.stx_attributes.contains(Attributes::MOUNT_ROOT);
        // Some layered file systems give files device numbers of their own; a directory's number is always that of the
        // file system, and the kernel's word on mounts is better where there is one.
        let is_other = device != self.0.device() && (file_type == FileType::Dir || !knows_mounts);
        let birth = Wanted::from_bits_retain(stat.stx_mask).contains(Wanted::BTIME);
        let print = Print {
            device: if device == self.0.device() { 0 } else { device },
            inode: stat.stx_ino,
            birth_ns: if birth { time(stat.stx_btime) } else { 0 },
            size_bytes: stat.stx_size,
            mtime_ns: time(stat.stx_mtime),
            ctime_ns: time(stat.stx_ctime),
            mode: mode & 0o7777,
            links: stat.stx_nlink,
        };
        Ok(Seen {
            file_type,
            print,
            // The root may well be a mount of its own.
            elsewhere: is_other || (is_mounted && !name.is_empty()),
        })
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn stat_with(&self, fd: BorrowedFd<'_>, name: &[u8], flags: AtFlags) -> io::Result<Seen> {
        self.stat_plain(fd, name, flags)
    }

    /// Looks without asking for the time of birth.
    #[expect(
        clippy::useless_conversion,
        reason = "the widths of these fields differ from system to system"
    )]
    pub(super) fn stat_plain(&self, fd: BorrowedFd<'_>, name: &[u8], flags: AtFlags) -> io::Result<Seen> {
        let stat = if name.is_empty() {
            fs::fstat(fd)?
        } else {
            fs::statat(fd, name, flags)?
        };
        let mode = u32::from(stat.st_mode);
        let device = device_of(&stat);
        Ok(Seen {
            file_type: file_type(mode),
            print: Print {
                device: if device == self.0.device() { 0 } else { device },
                inode: stat.st_ino as u64,
                birth_ns: 0,
                size_bytes: stat.st_size.try_into().unwrap_or(0),
                mtime_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec as i64),
                ctime_ns: nanoseconds(stat.st_ctime, stat.st_ctime_nsec as i64),
                mode: mode & 0o7777,
                links: stat.st_nlink.try_into().unwrap_or(u32::MAX),
            },
            elsewhere: device != self.0.device(),
        })
    }
}

fn file_type(mode: u32) -> FileType {
    match fs::FileType::from_raw_mode(mode as fs::RawMode) {
        fs::FileType::RegularFile => FileType::File,
        fs::FileType::Directory => FileType::Dir,
        fs::FileType::Symlink => FileType::Symlink,
        _ => FileType::Other,
    }
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}
