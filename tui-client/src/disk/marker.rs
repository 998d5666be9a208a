//! The marker `.holdfast/folder-id`: a folder that does not bear its marker is not the folder, so that an empty mount
//! point is never taken for a folder from which everything was deleted. `.holdfast/enrolled` beside it says that the folder
//! was admitted to an account, so that nobody without that account's secrets makes another of it.

use super::error::DiskError;
use super::root::{PRIVATE, Root, random_name};
use super::sight::FileType;
use super::volume::Dir;
use std::fmt;
use std::io::{self, Read, Write};

const MARKER: &str = common::apart::MARKER;
const CLAIM: &str = "enrolled";
/// 32 hexadecimal digits and a line feed, with room to tell that there is more.
const MARKER_LEN_MAX: u64 = 64;

/// A folder's own id: 128 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderId(pub [u8; 16]);

impl FolderId {
    /// Makes a new one.
    ///
    /// # Panics
    /// When the system has no random numbers.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        common::entropy::fill(&mut bytes).expect("a system that runs has random numbers");
        Self(bytes)
    }

    /// Reads what [`fmt::Display`] writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // NodeId has the same 32 digits; its strict reader serves here too.
        text.parse().ok().map(|sync_engine::NodeId(bytes)| Self(bytes))
    }
}

impl fmt::Display for FolderId {
    /// Writes 32 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn failed(deed: &'static str) -> impl Fn(io::Error) -> DiskError {
    move |source| DiskError::Private {
        deed,
        name: MARKER.to_owned(),
        source,
    }
}

/// Reads the marker from the root anew; nothing when there is none.
pub(super) fn read(root: &Root) -> Result<Option<FolderId>, DiskError> {
    let foreign = |name: &str| DiskError::ForeignPrivate {
        name: name.to_owned(),
    };
    let absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match root.dir().stat(PRIVATE.as_bytes()) {
        Err(error) if absent(&error) => return Ok(None),
        Ok(seen) if seen.file_type != FileType::Dir || seen.elsewhere => return Err(foreign("")),
        result => result.map_err(failed("find"))?,
    };
    let dir: Dir = match root.dir().open_own(PRIVATE) {
        Err(error) if absent(&error) => return Ok(None),
        result => result.map_err(failed("find"))?,
    };
    match dir.stat(MARKER.as_bytes()) {
        Err(error) if absent(&error) => return Ok(None),
        Ok(seen) if seen.file_type != FileType::File => return Err(foreign(MARKER)),
        result => result.map_err(failed("find"))?,
    };
    let file = dir.open_file(MARKER.as_bytes()).map_err(failed("open"))?;
    let mut text = String::new();
    match file.take(MARKER_LEN_MAX).read_to_string(&mut text) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(DiskError::DamagedMarker),
        result => result.map_err(failed("read"))?,
    };
    FolderId::parse(text.trim_end())
        .map(Some)
        .ok_or(DiskError::DamagedMarker)
}

/// Makes the marker: it appears whole or not at all, and a marker made by another meanwhile stands.
pub(super) fn create(root: &Root) -> Result<FolderId, DiskError> {
    let id = FolderId::random();
    match write(root, MARKER, &id.to_string()) {
        Ok(()) => Ok(id),
        Err(error) => match read(root)? {
            Some(other) if is_there(&error) => Ok(other),
            _ => Err(error),
        },
    }
}

impl Root {
    /// Tells whether the folder was ever admitted to an account.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn is_claimed(&self) -> Result<bool, DiskError> {
        match self.private()?.dir.stat(CLAIM.as_bytes()) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("find")(error)),
        }
    }

    /// Notes, durably, that the folder is admitted to an account.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn claim(&self) -> Result<(), DiskError> {
        if self.is_claimed()? {
            return Ok(());
        }
        match write(self, CLAIM, "admitted to an account") {
            Err(error) if is_there(&error) => Ok(()),
            result => result,
        }
    }
}

fn is_there(error: &DiskError) -> bool {
    matches!(error, DiskError::Private { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
}

/// Makes a file with one line in the private directory, whole or not at all and never in place of another.
fn write(root: &Root, name: &str, line: &str) -> Result<(), DiskError> {
    let private = root.private()?;
    let staged = random_name();
    let write = || -> io::Result<()> {
        let mut file = private.staging.create_file(staged.as_bytes(), 0o600)?;
        writeln!(file, "{line}")?;
        file.sync_all()?;
        private
            .dir
            .rename_new(&private.staging, staged.as_bytes(), name.as_bytes())?;
        private.dir.flush()?;
        root.dir().flush()
    };
    write().map_err(|source| {
        // The file may not even have been made; a leftover is swept up at the next start.
        let _ = private.staging.unlink(staged.as_bytes());
        DiskError::Private {
            deed: "make",
            name: name.to_owned(),
            source,
        }
    })
}
