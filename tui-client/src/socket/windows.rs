//! The local socket on Windows: a named pipe. Its default access lets this user and the system write, and nobody else; who
//! cannot write cannot ask, and is told nothing. Pipes of other computers are refused.

use std::io;
use std::path::PathBuf;

use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions};

use super::{Place, SocketError};

/// A connection, on the asking side.
pub(super) type Stream = NamedPipeClient;

/// The error that says that all instances of a pipe are in use (`ERROR_PIPE_BUSY`).
const PIPE_BUSY: i32 = 231;
/// How long to wait before a busy pipe is tried again, in milliseconds.
const BUSY_RETRY_MS: u64 = 20;

/// The answering side: the instance of the pipe that the next peer gets.
pub(super) struct Listener {
    name: String,
    next: NamedPipeServer,
}

fn pipe_name(place: &Place) -> String {
    format!(r"\\.\pipe\holdfast-{}", place.folder)
}

/// Returns how many connections of those wanted there may be at once: here all.
pub(super) fn connections_max(wanted: usize) -> usize {
    wanted
}

impl Listener {
    /// Makes the pipe. There is none yet, or another client answers.
    pub(super) async fn bind(place: &Place) -> Result<Self, SocketError> {
        let name = pipe_name(place);
        match connect(place).await {
            Err(SocketError::NobodyThere) => (),
            Ok(_) | Err(_) => return Err(SocketError::InUse),
        }
        let made = ServerOptions::new()
            .first_pipe_instance(true)
            .reject_remote_clients(true)
            .create(&name);
        match made {
            Ok(next) => Ok(Self { name, next }),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(SocketError::InUse),
            Err(source) => Err(SocketError::Place {
                path: PathBuf::from(name),
                source,
            }),
        }
    }

    /// Waits for the next connection.
    pub(super) async fn accept(&mut self) -> io::Result<NamedPipeServer> {
        self.next.connect().await?;
        // The next instance is there before this one is handed out, so that no peer ever finds none.
        let next = ServerOptions::new()
            .reject_remote_clients(true)
            .create(&self.name)?;
        Ok(std::mem::replace(&mut self.next, next))
    }
}

/// Connects to whoever answers. The caller limits the time.
pub(super) async fn connect(place: &Place) -> Result<Stream, SocketError> {
    let name = pipe_name(place);
    loop {
        match ClientOptions::new().open(&name) {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(SocketError::NobodyThere),
            Err(error) if error.raw_os_error() == Some(PIPE_BUSY) => {
                tokio::time::sleep(std::time::Duration::from_millis(BUSY_RETRY_MS)).await;
            }
            Err(error) => return Err(SocketError::Broken(error)),
        }
    }
}
