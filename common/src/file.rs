//! Small files that are written whole: keys, certificates, settings. What was there is either kept or replaced, never
//! half overwritten. After a power cut the file is the old one, the new one, or (when there was none) absent.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner alone. On Windows this is left to the folder that it is in, which is in the user's profile.
    Owner,
    /// Everyone whom the folder admits.
    Everyone,
}

/// What to do when the file exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfExists {
    /// Leave it and fail with [`io::ErrorKind::AlreadyExists`].
    Fail,
    /// Put the new one in its place.
    Replace,
}

/// Writes a file and flushes it and its name to the disk. The folder must exist.
///
/// # Errors
/// When the file exists and must not, or the disk fails; then what was there is unchanged.
pub fn write(path: &Path, bytes: &[u8], readers: Readers, if_exists: IfExists) -> io::Result<()> {
    let staged = staged_path(path)?;
    let result = write_staged(&staged, bytes, readers).and_then(|()| put_in_place(&staged, path, if_exists));
    if result.is_err() {
        // Nothing is known to be at this name but the half file, and it is of no use to anyone.
        let _ = fs::remove_file(&staged);
    }
    result?;
    flush_name(path)
}

/// Makes a folder and those that it is in, as far as they are missing, and flushes their names to the disk.
///
/// # Errors
/// When one cannot be made.
pub fn create_folders(path: &Path) -> io::Result<()> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    fs::create_dir_all(path)?;
    missing.into_iter().try_for_each(flush_name)
}

/// Makes the name of a file or a folder durable.
fn flush_name(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => system::flush_folder(folder),
        Some(_) | None => system::flush_folder(Path::new(".")),
    }
}

/// Tells whether others than the owner may read an open file, and its mode if so. On Windows nobody asks.
///
/// # Errors
/// When the file's attributes cannot be read.
pub fn mode_if_readable_by_others(file: &fs::File) -> io::Result<Option<u32>> {
    system::mode_if_readable_by_others(file)
}

/// The lock of an empty file that stands for something else. It ends when it is dropped, and with the process.
#[derive(Debug)]
pub struct Lock(fs::File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone is not enough: a child process has the descriptor until it runs its own program, and with it the
        // lock. What cannot be unlocked ends with the last descriptor.
        let _ = self.0.unlock();
    }
}

/// Locks an empty file that stands for something else, and makes it if it is missing; nothing if another process has the
/// lock.
///
/// # Errors
/// When the file cannot be opened, made or locked.
pub fn lock(path: &Path) -> io::Result<Option<Lock>> {
    let file = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock(file))),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// Names a file beside `path` that nobody else uses.
fn staged_path(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut random = [0; 8];
    crate::entropy::fill(&mut random)?;
    let mut staged = name.to_owned();
    staged.push(format!(".{:016x}.new", u64::from_le_bytes(random)));
    Ok(path.with_file_name(staged))
}

fn write_staged(staged: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let mut file = system::create(staged, readers)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn put_in_place(staged: &Path, path: &Path, if_exists: IfExists) -> io::Result<()> {
    match if_exists {
        IfExists::Replace => fs::rename(staged, path),
        // A second name fails if there is one already, which a renaming does not.
        IfExists::Fail => match fs::hard_link(staged, path) {
            Ok(()) => fs::remove_file(staged),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // This disk has no hard links. Here two programs that begin at the same moment could race.
            Err(_) if path.symlink_metadata().is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(staged, path),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_exists_is_kept_unless_it_is_to_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"old", Readers::Owner, IfExists::Fail).unwrap();
        let error = write(&path, b"new", Readers::Owner, IfExists::Fail).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write(&path, b"new", Readers::Owner, IfExists::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_write_that_fails_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::create_dir(&path).unwrap();
        write(&path, b"new", Readers::Everyone, IfExists::Replace).unwrap_err();
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn folders_are_made_as_far_as_they_are_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c");
        create_folders(&path).unwrap();
        create_folders(&path).unwrap();
        assert!(path.is_dir());
        write(
            &folder.path().join("file"),
            b"",
            Readers::Everyone,
            IfExists::Fail,
        )
        .unwrap();
        create_folders(&folder.path().join("file/a")).unwrap_err();
    }

    #[cfg(unix)]
    #[test]
    fn a_file_for_its_owner_is_for_nobody_else() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"secret", Readers::Owner, IfExists::Fail).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            mode_if_readable_by_others(&fs::File::open(&path).unwrap()).unwrap(),
            None
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(
            mode_if_readable_by_others(&fs::File::open(&path).unwrap()).unwrap(),
            Some(0o640)
        );
    }
}
