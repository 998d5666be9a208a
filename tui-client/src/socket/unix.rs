//! The local socket on unix: a UNIX socket in the folder's configuration directory, or, where the file system there holds
//! no sockets, in `$XDG_RUNTIME_DIR/holdfast`, `/run/user/UID/holdfast` or `/tmp/holdfast-UID`. It lives only in a directory
//! that is this user's own and closed to others; a candidate that is not is passed over by both sides, so that nobody can
//! put one in the way. Each side checks that the other runs as the same user.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::time::sleep;

use super::{Place, SocketError};
use crate::config::{create_own_dir, is_own_dir};

/// A connection, on either side.
pub(super) type Stream = UnixStream;

/// The longest path of a socket that every unix takes, in bytes.
const SOCKET_PATH_LEN_MAX: usize = 100;
/// How long to wait before a socket at which too many wait is tried again.
const CROWD_PAUSE: Duration = Duration::from_millis(20);

/// The answering side.
pub(super) struct Listener {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket, to know it again when it is time to remove it.
    identity: (u64, u64),
}

/// A place where the socket may be.
#[derive(Debug, PartialEq, Eq)]
struct Candidate {
    dir: PathBuf,
    name: String,
}

impl Candidate {
    fn path(&self) -> PathBuf {
        self.dir.join(&self.name)
    }

    /// Returns a path of the socket that is short enough: by way of the directory, held open, where its own is not.
    fn reach(&self) -> io::Result<(PathBuf, Option<File>)> {
        let path = self.path();
        if path.as_os_str().len() <= SOCKET_PATH_LEN_MAX {
            return Ok((path, None));
        }
        let dir = File::open(&self.dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(&self.name);
        Ok((path, Some(dir)))
    }

    /// Connects to whoever listens here; nothing when nobody does. The caller limits the time.
    async fn connect(&self) -> io::Result<Option<UnixStream>> {
        let (path, _held) = self.reach()?;
        loop {
            match UnixStream::connect(&path).await {
                Ok(stream) => return Ok(Some(stream)),
                Err(error) if is_nobody(&error) => return Ok(None),
                // So many wait already that no more are let in; that passes.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(CROWD_PAUSE).await,
                Err(error) => return Err(error),
            }
        }
    }
}

/// Tells whether the system says that nobody listens.
fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory
    )
}

/// Where the socket may be, the better place first. The first one depends on nothing that may differ between a terminal
/// and a service, and stays when the user logs out, as the runtime directories do not.
fn candidates(place: &Place, runtime_dirs: impl IntoIterator<Item = PathBuf>) -> Vec<Candidate> {
    let folder = place.folder.to_string();
    let user = rustix::process::geteuid().as_raw();
    let shared = |dir: PathBuf| Candidate {
        dir,
        name: format!("{folder}.sock"),
    };
    let near = Candidate {
        dir: place.config_dir.join(&folder),
        name: "socket".to_owned(),
    };
    let runtime = runtime_dirs
        .into_iter()
        .filter(|dir| is_own_dir(dir).is_ok())
        .map(|dir| shared(dir.join("holdfast")));
    let last = shared(PathBuf::from(format!("/tmp/holdfast-{user}")));
    std::iter::once(near).chain(runtime).chain([last]).collect()
}

/// The directory that the environment names, and the usual one: a service or `cron` is not told of it.
fn runtime_dirs() -> Vec<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let usual = PathBuf::from(format!("/run/user/{user}"));
    let told = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let told = told.filter(|dir| dir.is_absolute() && *dir != usual);
    told.into_iter().chain([usual]).collect()
}

/// Returns how many connections of those wanted there may be at once: they leave most descriptors for the folder.
pub(super) fn connections_max(wanted: usize) -> usize {
    const SHARE: u64 = 8;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let share = limit.map_or(wanted, |limit| usize::try_from(limit / SHARE).unwrap_or(wanted));
    share.clamp(1, wanted)
}

impl Listener {
    /// Binds the first candidate that can be. What is left of a client that was killed is replaced, a live one never.
    pub(super) async fn bind(place: &Place) -> Result<Self, SocketError> {
        match connect(place).await {
            Err(SocketError::NobodyThere) => (),
            Ok(_) => return Err(SocketError::InUse),
            Err(error) => return Err(error),
        }
        let mut refused = None;
        for candidate in candidates(place, runtime_dirs()) {
            match Self::bind_at(&candidate) {
                Ok(listener) => return Ok(listener),
                Err(source) => {
                    let path = candidate.path();
                    refused.get_or_insert(SocketError::Place { path, source });
                }
            }
        }
        Err(refused.unwrap_or(SocketError::NobodyThere))
    }

    fn bind_at(candidate: &Candidate) -> io::Result<Self> {
        create_own_dir(&candidate.dir)?;
        let path = candidate.path();
        match fs::symlink_metadata(&path) {
            // Only a socket is replaced, and nobody answered there.
            Ok(metadata) if metadata.file_type().is_socket() => fs::remove_file(&path)?,
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            Err(error) => return Err(error),
        }
        let (short, _held) = candidate.reach()?;
        let listener = UnixListener::bind(&short)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let metadata = fs::symlink_metadata(&path)?;
        Ok(Self {
            listener,
            identity: (metadata.dev(), metadata.ino()),
            path,
        })
    }

    /// Waits for the next connection of this user; others' are dropped.
    pub(super) async fn accept(&mut self) -> io::Result<Stream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            if is_of_this_user(&stream)? {
                return Ok(stream);
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity);
        if is_ours {
            // Left behind it does no harm: the next client replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Connects to whoever answers at one of the candidates. Nobody is there only if each was asked.
pub(super) async fn connect(place: &Place) -> Result<Stream, SocketError> {
    let mut failed = None;
    for candidate in candidates(place, runtime_dirs()) {
        if is_own_dir(&candidate.dir).is_err() {
            continue;
        }
        match candidate.connect().await {
            Ok(None) => (),
            Ok(Some(stream)) if is_of_this_user(&stream)? => return Ok(stream),
            Ok(Some(_)) => failed = Some(SocketError::Stranger),
            Err(error) => failed = Some(SocketError::Broken(error)),
        }
    }
    Err(failed.unwrap_or(SocketError::NobodyThere))
}

fn is_of_this_user(stream: &UnixStream) -> io::Result<bool> {
    Ok(stream.peer_cred()?.uid() == rustix::process::geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FolderId;

    struct Places {
        dir: tempfile::TempDir,
        place: Place,
    }

    impl Places {
        fn new(config: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let place = Place::new(&dir.path().join(config), FolderId::random());
            Self { dir, place }
        }

        fn make(&self, name: &str, mode: u32) -> PathBuf {
            let path = self.dir.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        }
    }

    #[test]
    fn a_runtime_directory_that_others_may_open_is_no_candidate() {
        let places = Places::new("config");
        let (own, open) = (places.make("own", 0o700), places.make("open", 0o755));
        let dirs = |runtime: Option<PathBuf>| -> Vec<PathBuf> {
            let candidates = candidates(&places.place, runtime).into_iter();
            candidates.map(|candidate| candidate.dir).collect()
        };
        let without = dirs(None);
        assert_eq!(dirs(Some(open)), without);
        assert_eq!(dirs(Some(places.dir.path().join("none"))), without);
        let with = dirs(Some(own.clone()));
        assert_eq!(with[1], own.join("holdfast"), "before the one in /tmp");
        assert_eq!(with.len(), without.len() + 1);
        assert_eq!(
            with[0], without[0],
            "the first one is the same whatever the environment says"
        );
    }

    #[tokio::test]
    async fn where_the_configuration_holds_no_sockets_each_own_runtime_directory_is_asked() {
        let places = Places::new("config");
        let (told, usual) = (places.make("told", 0o700), places.make("usual", 0o700));
        let of = |dirs: &[&PathBuf]| candidates(&places.place, dirs.iter().map(|dir| (*dir).clone()));
        // A client that knows the usual directory alone, and a command that was told another one too.
        let listener = Listener::bind_at(&of(&[&usual])[1]).unwrap();
        assert!(listener.path.starts_with(&usual));
        let mut found = 0;
        for candidate in of(&[&told, &usual]) {
            found += usize::from(matches!(candidate.connect().await, Ok(Some(_))));
        }
        assert_eq!(found, 1);
    }

    #[tokio::test]
    async fn a_long_path_is_reached_by_way_of_its_directory() {
        let places = Places::new(&"a long name/".repeat(12));
        let listener = Listener::bind(&places.place).await.unwrap();
        assert!(SOCKET_PATH_LEN_MAX < listener.path.as_os_str().len());
        assert!(
            listener.path.starts_with(places.dir.path()),
            "{}",
            listener.path.display()
        );
        connect(&places.place).await.unwrap();
    }

    #[tokio::test]
    async fn a_socket_in_a_directory_that_others_may_open_is_not_asked() {
        let places = Places::new("config");
        let listener = Listener::bind(&places.place).await.unwrap();
        let dir = listener.path.parent().unwrap();
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(
            connect(&places.place).await,
            Err(SocketError::NobodyThere)
        ));
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(connect(&places.place).await.is_ok());
    }

    #[tokio::test]
    async fn only_a_live_peer_means_that_the_place_is_in_use() {
        let places = Places::new("config");
        let first = Listener::bind(&places.place).await.unwrap();
        assert!(matches!(
            Listener::bind(&places.place).await,
            Err(SocketError::InUse)
        ));
        // As a client leaves it that is killed.
        let path = first.path.clone();
        drop(first);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let second = Listener::bind(&places.place).await.unwrap();
        assert_eq!(second.path, path);
    }
}
