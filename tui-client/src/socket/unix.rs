//! The local socket on unix: a UNIX socket in the folder's configuration directory, or, where its path is too long or the
//! file system holds no sockets, in `/tmp/holdfast-UID`. Either directory is the user's own and closed to others, and
//! each side checks that the other runs as the same user.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::{Place, SocketError};
use crate::config::create_own_dir;

/// A connection, on either side.
pub(super) type Stream = UnixStream;

/// The longest path of a socket that every unix takes, in bytes.
const SOCKET_PATH_LEN_MAX: usize = 100;

/// The answering side.
pub(super) struct Listener {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket, to know it again when it is time to remove it.
    identity: (u64, u64),
}

/// Where the socket may be, the better place first.
fn candidates(place: &Place) -> Vec<PathBuf> {
    let folder = place.folder.to_string();
    let user = rustix::process::geteuid().as_raw();
    let near = place.config_dir.join(&folder).join("socket");
    let short = PathBuf::from(format!("/tmp/holdfast-{user}")).join(format!("{folder}.sock"));
    let fits = |path: &PathBuf| path.as_os_str().len() <= SOCKET_PATH_LEN_MAX;
    [near, short].into_iter().filter(fits).collect()
}

impl Listener {
    /// Binds the first candidate that can be. What is left of a client that was killed is replaced, a live one never.
    pub(super) async fn bind(place: &Place) -> Result<Self, SocketError> {
        match connect(place).await {
            Err(SocketError::NobodyThere) => (),
            Ok(_) | Err(_) => return Err(SocketError::InUse),
        }
        let mut refused = None;
        for path in candidates(place) {
            match Self::bind_at(&path) {
                Ok(listener) => return Ok(listener),
                Err(source) => refused = Some(SocketError::Place { path, source }),
            }
        }
        Err(refused.unwrap_or(SocketError::Place {
            path: place.config_dir.clone(),
            source: io::ErrorKind::InvalidFilename.into(),
        }))
    }

    fn bind_at(path: &Path) -> io::Result<Self> {
        create_own_dir(path.parent().unwrap_or(Path::new("/")))?;
        match fs::symlink_metadata(path) {
            // Only a socket is replaced, and nobody answered there.
            Ok(metadata) if metadata.file_type().is_socket() => fs::remove_file(path)?,
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            identity: (metadata.dev(), metadata.ino()),
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

/// Connects to whoever answers at one of the candidates.
pub(super) async fn connect(place: &Place) -> Result<Stream, SocketError> {
    for path in candidates(place) {
        match UnixStream::connect(&path).await {
            Ok(stream) if is_of_this_user(&stream)? => return Ok(stream),
            Ok(_) => return Err(SocketError::Stranger),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory
                ) => {}
            Err(error) => return Err(SocketError::Broken(error)),
        }
    }
    Err(SocketError::NobodyThere)
}

fn is_of_this_user(stream: &UnixStream) -> io::Result<bool> {
    Ok(stream.peer_cred()?.uid() == rustix::process::geteuid().as_raw())
}
