//! The effects on the folder. Each looks at what it is about to change, changes it with a call that spares what it does
//! not expect, verifies what it did, and undoes it when it was surprised. Files that it takes away go to the stash.

use super::error::{DiskError, block_of, is_gone};
use super::look::sight;
use super::root::Root;
use super::sight::{Print, Sight};
use super::staging::Sealed;
use super::volume::{Dir, File};
use std::io;
use sync_engine::{Block, Bug, Content, NodeId, RelPath, Target, planted};

mod attributes;
mod copy;
mod exchange;
mod remove;
mod replace;
mod rescue;

/// Tells the content of a file, by reading it whole from where it stands.
pub type ContentOf<'a> = dyn Fn(&mut File) -> io::Result<Content> + 'a;

/// What a step expects of the file that it changes or takes away.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The node; written beside the file in the stash.
    pub node: NodeId,
    /// The file's print when it was last seen.
    pub print: &'a Print,
    /// Its content then.
    pub content: &'a Content,
}

/// Says why an effect did not take place. Nothing is lost by any of these.
#[derive(Debug, thiserror::Error)]
pub enum HandError {
    /// Something other than expected is there. It was left as it is.
    #[error("it is not what it was expected to be")]
    Surprise {
        /// What is there.
        found: Sight,
    },
    /// The disk surprised twice, in the step and in its undoing. All that was there is kept; one part of it has a new
    /// name now.
    #[error("it changed again and again; a part of it is now at {at}")]
    Rescued {
        /// The new name.
        at: RelPath,
    },
    /// The name is taken.
    #[error("the name is taken")]
    Taken,
    /// The directory is not empty.
    #[error("the directory is not empty")]
    NotEmpty,
    /// Someone else holds it for the moment.
    #[error("someone else is using it")]
    Busy,
    /// There is no space left.
    #[error("no space is left")]
    NoSpace,
    /// It, or a directory on the way to it, is not there.
    #[error("it is not there")]
    Gone,
    /// The disk will not do this, now or later.
    #[error("the disk refuses")]
    Refused(Block),
    /// The system failed otherwise.
    #[error("could not {deed}")]
    Io {
        /// What was tried.
        deed: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The private directory failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl HandError {
    /// Returns why the node is blocked by this error, or nothing when another look and another plan are the answer.
    #[must_use]
    pub fn block(&self) -> Option<Block> {
        match self {
            Self::Surprise { .. } | Self::Rescued { .. } | Self::Taken | Self::NotEmpty | Self::Gone => None,
            Self::Busy => Some(Block::Busy),
            Self::NoSpace => Some(Block::NoSpace),
            Self::Refused(block) => Some(block.clone()),
            Self::Io { source, .. } => Some(block_of(source)),
            Self::Disk(error) => error.block(),
        }
    }
}

/// Sorts the system's error by what the planner can do about it.
pub(super) fn failed(deed: &'static str) -> impl Fn(io::Error) -> HandError {
    use io::ErrorKind as Kind;
    move |source| match source.kind() {
        Kind::AlreadyExists => HandError::Taken,
        Kind::DirectoryNotEmpty => HandError::NotEmpty,
        _ if is_gone(&source) => HandError::Gone,
        Kind::IsADirectory | Kind::InvalidInput | Kind::Interrupted => HandError::Io { deed, source },
        _ => match block_of(&source) {
            Block::NoSpace => HandError::NoSpace,
            Block::Busy => HandError::Busy,
            Block::Lacking => HandError::Io { deed, source },
            Block::Unreadable(_) if !is_refusal(&source) => HandError::Io { deed, source },
            block => HandError::Refused(block),
        },
    }
}

/// Tells whether the disk does not let this user do it, now or later.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem | Kind::Unsupported
    )
}

/// A place: the directory, held open, and the name in it.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) dir: Dir,
    pub(super) name: &'a [u8],
}

impl Place<'_> {
    /// Looks at what is there.
    pub(super) fn look(&self) -> Result<Sight, HandError> {
        match sight(&self.dir, self.name) {
            Err(error) if is_gone(&error) => Ok(Sight::Absent),
            result => result.map_err(failed("look at it")),
        }
    }

    /// Looks, and is surprised unless exactly the expected file is there, unchanged in every respect.
    pub(super) fn expect_file(&self, expect: &Print) -> Result<(), HandError> {
        match self.look()? {
            Sight::File(print) if print.same_file_state(expect) || planted(Bug::NoLookBefore) => Ok(()),
            found => Err(surprise(found)),
        }
    }

    /// Looks, and is surprised unless the expected file, directory or link is there, whatever is in it now.
    pub(super) fn expect_identity(&self, expect: &Print) -> Result<Print, HandError> {
        let found = self.look()?;
        // Without a time of birth a number may have gone to a new file; then size and time have to speak for it too.
        let is_sure =
            |print: &Print| print.birth_ns != 0 || print.same_stamp(expect) || matches!(found, Sight::Dir(_));
        match found.print() {
            Some(print) if print.identity() == expect.identity() && is_sure(print) => Ok(*print),
            _ => Err(surprise(found)),
        }
    }

    /// Looks after something was moved here that was `before` when it was moved, and is surprised unless that is here.
    /// Returns what is known of it from now on: what it is now. But a file that was edited since it was expected, or just
    /// now, is still known as it was expected to be: so the next look sees the edit. The move itself may hide that, since
    /// it changes `ctime_ns`.
    pub(super) fn expect_moved(&self, expect: &Print, before: &Print) -> Result<Print, HandError> {
        let after = self.expect_identity(expect)?;
        let is_dir = matches!(self.look()?, Sight::Dir(_));
        let is_edited =
            !before.same_file_state(expect) || !after.same_stamp(before) || after.mode != before.mode;
        let is_edited = is_edited && !planted(Bug::MoveHidesEdit);
        Ok(if is_edited && !is_dir { *expect } else { after })
    }

    /// Looks, and is surprised unless the expected symbolic link is there.
    pub(super) fn expect_symlink(&self, expect: &Print, target: &Target) -> Result<(), HandError> {
        match self.look()? {
            Sight::Symlink(print, found) if print.identity() == expect.identity() && found == *target => {
                Ok(())
            }
            found => Err(surprise(found)),
        }
    }

    /// Returns the surprise of what is there now.
    pub(super) fn surprise(&self) -> HandError {
        self.look().map_or_else(|error| error, surprise)
    }
}

/// Makes the error of what was found: nothing is `Gone`.
pub(super) fn surprise(found: Sight) -> HandError {
    match found {
        Sight::Absent => HandError::Gone,
        found => HandError::Surprise { found },
    }
}

impl Root {
    /// Makes a directory, with the permissions that the one had that stood there before, as far as they are known.
    ///
    /// # Errors
    /// [`HandError::Taken`] when the name is; nothing is made then.
    pub fn make_dir(&self, path: &RelPath) -> Result<Print, HandError> {
        let place = self.place(path)?;
        place
            .dir
            // Its owner can work in it whatever another could.
            .make_dir(
                place.name,
                self.bits_left_at(path).map_or(0o777, |mode| mode | 0o700),
            )
            .map_err(failed("make the directory"))?;
        match place.look()? {
            Sight::Dir(print) => Ok(print),
            found => Err(surprise(found)),
        }
    }

    /// Makes a symbolic link. Its target is data: it may point anywhere, since nothing here ever follows it.
    ///
    /// # Errors
    /// [`HandError::Taken`] when the name is; [`HandError::Refused`] where the disk has no symbolic links.
    pub fn make_symlink(&self, path: &RelPath, target: &Target) -> Result<Print, HandError> {
        let place = self.place(path)?;
        place
            .dir
            .make_symlink(target.as_bytes(), place.name)
            .map_err(symlink_failed)?;
        match place.look()? {
            Sight::Symlink(print, found) if found == *target => Ok(print),
            found => Err(surprise(found)),
        }
    }

    /// Moves a sealed file to a free name.
    ///
    /// # Errors
    /// [`HandError::Taken`] when the name is; what has it stays untouched.
    pub fn install(&self, mut sealed: Sealed, path: &RelPath) -> Result<Print, HandError> {
        sealed.flush()?;
        let place = self.place(path)?;
        let staging = &self.private()?.staging;
        let moved = match planted(Bug::InstallOverwrites) {
            true => place.dir.rename_over(staging, sealed.name(), place.name),
            false => place.dir.rename_new(staging, sealed.name(), place.name),
        };
        moved.map_err(failed("move the new file into place"))?;
        sealed.moved().map_err(failed("look at the new file"))
    }

    /// Renames or moves a file, directory or symbolic link to a free name. It may have been edited meanwhile; then the
    /// print that comes back is the one expected, so that the edit is seen by the next look.
    ///
    /// # Errors
    /// [`HandError::Taken`] when the new name is; a surprise when another file is there. One that a program saved over
    /// it at the very last moment moves along, as the edit that it is, and is a surprise too.
    pub fn rename(&self, from: &RelPath, expect: &Print, to: &RelPath) -> Result<Print, HandError> {
        refuse_into_itself(from, to)?;
        let (source, target) = (self.place(from)?, self.place(to)?);
        let before = source.expect_identity(expect)?;
        match target.dir.rename_new(&source.dir, source.name, target.name) {
            Ok(()) => (),
            Err(error)
                if error.kind() == io::ErrorKind::AlreadyExists
                    && self.is_same_entry((from, to), &target, expect) =>
            {
                target
                    .dir
                    .rename_over(&source.dir, source.name, target.name)
                    .map_err(failed("rename it"))?;
            }
            Err(error) => return Err(failed("rename it")(error)),
        }
        target.expect_moved(expect, &before)
    }

    /// Tells whether the taken name is another spelling of the very name that is to be changed, as on a disk that takes
    /// `a` and `A` for one.
    fn is_same_entry(&self, (from, to): (&RelPath, &RelPath), target: &Place<'_>, expect: &Print) -> bool {
        match target.look() {
            Ok(Sight::File(print) | Sight::Symlink(print, _)) if print.identity() == expect.identity() => {
                // A file of several names may have the other one here.
                print.links == 1 || self.is_only_name(from, to, expect).unwrap_or(false)
            }
            Ok(Sight::Dir(print)) => print.identity() == expect.identity(),
            Ok(Sight::File(_) | Sight::Symlink(..) | Sight::Other(_) | Sight::Absent | Sight::Unknown(_))
            | Err(_) => false,
        }
    }

    /// Tells whether two paths lead to one directory, in which the first is the only name of a file.
    fn is_only_name(&self, from: &RelPath, to: &RelPath, expect: &Print) -> io::Result<bool> {
        let (Some((dir, name)), Some((to_dir, _))) = (from.split_last(), to.split_last()) else {
            return Ok(false);
        };
        if dir != to_dir {
            return Ok(false);
        }
        let dir = self.dir().descend_to_read(&dir.0)?;
        let mut names = dir.names()?;
        names.retain(|name| {
            let seen = dir.stat(name);
            seen.is_ok_and(|seen| seen.print.identity() == expect.identity())
        });
        Ok(names == [name.as_bytes()])
    }

    /// Removes a directory, which must be empty.
    ///
    /// # Errors
    /// [`HandError::NotEmpty`] when anything at all is in it.
    pub fn remove_dir(&self, path: &RelPath, expect: &Print) -> Result<(), HandError> {
        let place = self.place(path)?;
        let found = place.look()?;
        match &found {
            Sight::Dir(print) if print.identity() == expect.identity() => place
                .dir
                .remove_dir(place.name)
                .map_err(failed("remove the directory")),
            _ => Err(surprise(found)),
        }
    }

    /// Flushes the names in these directories. One that is gone meanwhile is passed over, since whoever moved it owns
    /// what is in it now. When one cannot be flushed, its whole file system is: names that were flushed neither way come
    /// back after a power cut as what they were before, which would look like somebody's work.
    ///
    /// # Errors
    /// When something could not be written.
    pub fn flush_dirs(&self, paths: &[RelPath]) -> Result<(), DiskError> {
        /// More directories than this are flushed with their whole file system at once.
        const FLUSH_EACH_MAX: usize = 8;
        let failed = |source| DiskError::Flush { source };
        if planted(Bug::DirsNotFlushed) {
            return Ok(());
        }
        if paths.len() > FLUSH_EACH_MAX && self.dir().flush_file_system().map_err(failed)? {
            return Ok(());
        }
        for path in paths {
            match self.dir().descend_to_read(&path.0) {
                Err(error) if is_gone(&error) => (),
                result => match result.and_then(|dir| dir.flush()) {
                    Ok(()) => (),
                    Err(_) if self.dir().flush_file_system().map_err(failed)? => return Ok(()),
                    Err(error) => return Err(failed(error)),
                },
            }
        }
        Ok(())
    }

    /// Opens the directory above a path's last name, over no link and no other file system.
    pub(super) fn place<'a>(&self, path: &'a RelPath) -> Result<Place<'a>, HandError> {
        let (name, parents) = path
            .0
            .split_last()
            .ok_or(HandError::Refused(Block::UnsupportedType))?;
        let dir = self
            .descend(parents)
            .map_err(failed("open the directory above it"))?;
        let name = name.as_bytes();
        Ok(Place { dir, name })
    }
}

/// A disk without symbolic links answers with one of several errors.
fn symlink_failed(error: io::Error) -> HandError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported => HandError::Refused(Block::NoSymlinks),
        _ => failed("make the symbolic link")(error),
    }
}

/// A directory cannot be moved into itself; ruled out first, since the system's error for it means other things too.
fn refuse_into_itself(from: &RelPath, to: &RelPath) -> Result<(), HandError> {
    if from != to && to.starts_with(from) {
        let reason = "a directory cannot be moved into itself".to_owned();
        return Err(HandError::Refused(Block::Refused(reason)));
    }
    Ok(())
}
