//! The local socket of a running client: other programs of the same user ask it questions (see [`crate::control`]), one
//! JSON value a line each way. Nobody else can open it, and it is told nothing that is not asked for.
//!
//! Its tasks: one that accepts, and one for each connection, which reads a question, hands it on as a [`Call`], writes
//! the answers, and reads the next. There are at most [`CONNECTIONS_MAX`] of them; a peer who is silent, does not read or
//! sends rubbish is hung up on. All of them end with [`Socket::finish`], after the answers that are already given are
//! written.

#[cfg_attr(unix, path = "socket/unix.rs")]
#[cfg_attr(windows, path = "socket/windows.rs")]
mod platform;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::control::{Answer, Ask};
use crate::disk::FolderId;
use crate::notice::Trouble;

/// The most connections at once; further ones wait.
pub const CONNECTIONS_MAX: usize = 32;
/// The longest line with a question, in bytes.
pub const ASK_LEN_MAX: usize = 128 * 1024;
/// The longest line with an answer, in bytes.
pub const ANSWER_LEN_MAX: usize = 64 * 1024 * 1024;
/// The most answers to one question that wait to be written.
pub const ANSWERS_WAITING_MAX: usize = 64;
/// A peer who asks nothing for this time is hung up on.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// A peer who does not take an answer for this time is hung up on.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that runs accepts within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the socket of a folder is. Both sides find it from the same two facts, so it depends on nothing that may differ
/// between a terminal and a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    config_dir: PathBuf,
    folder: FolderId,
}

impl Place {
    /// Returns the place for a folder of the user whose configuration is in `config_dir`.
    #[must_use]
    pub fn new(config_dir: &Path, folder: FolderId) -> Self {
        Self {
            config_dir: config_dir.to_owned(),
            folder,
        }
    }
}

/// A question that came in.
#[derive(Debug)]
pub struct Call {
    /// The question.
    pub ask: Ask,
    /// Takes the answers: one, or for [`Ask::Listen`] any number. Dropping it ends the answer. It is closed when the
    /// asker is gone.
    pub answers: mpsc::Sender<Answer>,
}

/// Says why the socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// No client runs on the folder.
    #[error("no client runs on this folder")]
    NobodyThere,
    /// Another client answers at this place, most likely on a copy of the folder.
    #[error("another client already answers for this folder or for a copy of it")]
    InUse,
    /// The place cannot be made safe for this user alone.
    #[error("cannot make a local socket that only you can open at {}", path.display())]
    Place {
        /// Where it would be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The other side belongs to another user.
    #[error("the local socket belongs to another user")]
    Stranger,
    /// The connection broke.
    #[error("the connection to the running client broke")]
    Broken(#[from] io::Error),
    /// The running client does not answer.
    #[error("the running client does not answer")]
    Silent,
    /// The running client ended before it answered.
    #[error("the running client ended before it answered")]
    Ended,
    /// The answer is longer than the limit.
    #[error("the answer is longer than {ANSWER_LEN_MAX} bytes")]
    TooLong,
    /// The answer is not one that this program knows.
    #[error("the running client answers in a way that this program does not know")]
    NotUnderstood(#[source] serde_json::Error),
}

/// The answering side. Dropping it hangs up on everyone.
#[derive(Debug)]
pub struct Socket {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Socket {
    /// Begins to answer. Each question goes to `calls`; when nobody takes them any more, everyone is hung up on. The
    /// caller holds the folder's lock.
    ///
    /// # Errors
    /// When another client answers there, or the place cannot be made safe.
    pub async fn listen(place: &Place, calls: mpsc::Sender<Call>) -> Result<Self, SocketError> {
        let listener = platform::Listener::bind(place).await?;
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        tasks.spawn(accept_task(listener, calls, stop.clone(), tasks.clone()));
        tasks.close();
        Ok(Self { stop, tasks })
    }

    /// Takes no more questions, and waits until the answers already given are written.
    pub async fn finish(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    /// Asks one question and returns the one answer.
    ///
    /// # Errors
    /// When no client runs, or the connection breaks.
    pub async fn ask(place: &Place, ask: &Ask) -> Result<Answer, SocketError> {
        Conversation::open(place).await?.ask(ask).await
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept_task(
    mut listener: platform::Listener,
    calls: mpsc::Sender<Call>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let places = Arc::new(Semaphore::new(platform::connections_max(CONNECTIONS_MAX)));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            () = calls.closed() => return,
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            } => accepted,
        };
        match accepted {
            (Ok(place), Ok(stream)) => {
                let (calls, stop) = (calls.clone(), stop.clone());
                tasks.spawn(async move {
                    if let Err(error) = connection(stream, calls, stop).await {
                        tracing::debug!(%error, "a local connection ended");
                    }
                    drop(place);
                });
            }
            (_, Err(error)) => {
                // Most likely there are too many open files; the next may succeed once some are closed.
                tracing::warn!(%error, "cannot accept a local connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            (Err(_), Ok(_)) => return,
        }
    }
}

/// Answers one peer's questions, one after the other.
async fn connection(
    stream: impl AsyncRead + AsyncWrite + Send,
    calls: mpsc::Sender<Call>,
    stop: CancellationToken,
) -> Result<(), SocketError> {
    let (read, mut write) = tokio::io::split(stream);
    let mut lines = Lines::new(read, ASK_LEN_MAX);
    loop {
        let line = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            line = timeout(SILENCE_MAX, lines.next()) => line.map_err(|_| SocketError::Silent)?,
        };
        let ask = match line {
            Ok(None) => return Ok(()),
            Ok(Some(line)) => serde_json::from_slice::<Ask>(&line).ok(),
            Err(SocketError::TooLong) => None,
            Err(error) => return Err(error),
        };
        let Some(ask) = ask else {
            return write_line(&mut write, &Answer::Failed(not_understood())).await;
        };
        let is_order = ask.is_order();
        let (answers, mut given) = mpsc::channel(ANSWERS_WAITING_MAX);
        let handed_on = tokio::select! {
            () = stop.cancelled() => false,
            sent = calls.send(Call { ask, answers }) => sent.is_ok(),
        };
        if !handed_on {
            return write_line(&mut write, &Answer::Ending).await;
        }
        let unanswered = if is_order {
            Answer::Failed(ending())
        } else {
            Answer::Ending
        };
        if !write_answers(&mut given, &mut lines, &mut write, &stop, unanswered).await? {
            return Ok(());
        }
    }
}

/// Writes the answers to one question, or that it is `unanswered`. Returns whether the peer may ask on.
async fn write_answers<S: AsyncRead + AsyncWrite>(
    given: &mut mpsc::Receiver<Answer>,
    lines: &mut Lines<ReadHalf<S>>,
    write: &mut WriteHalf<S>,
    stop: &CancellationToken,
    unanswered: Answer,
) -> Result<bool, SocketError> {
    let mut n_written = 0_u64;
    loop {
        if stop.is_cancelled() {
            // What was given before the end is still written, and no more.
            given.close();
        }
        let answer = tokio::select! {
            biased;
            answer = given.recv() => answer,
            ended = lines.fill(), if !lines.is_full() => match ended? {
                0 => return Ok(false),
                // The next question may come early; it waits until this one is answered.
                _ => continue,
            },
            () = stop.cancelled(), if !stop.is_cancelled() => continue,
        };
        match answer {
            Some(answer) => write_line(write, &answer).await?,
            None if n_written == 0 => {
                write_line(write, &unanswered).await?;
                return Ok(false);
            }
            None => return Ok(true),
        }
        n_written += 1;
    }
}

fn not_understood() -> Trouble {
    Trouble {
        what: "the running client did not understand the question".into(),
        done: "nothing was changed".into(),
        todo: "use the same version of Holdfast for the client and the command".into(),
    }
}

fn ending() -> Trouble {
    Trouble {
        what: "the running client ended before it was done".into(),
        done: "it is not known how much of it was done".into(),
        todo: "look at `log`, then try again".into(),
    }
}

async fn write_line(
    write: &mut (impl AsyncWrite + Unpin),
    value: &impl serde::Serialize,
) -> Result<(), SocketError> {
    let mut line = serde_json::to_vec(value).map_err(SocketError::NotUnderstood)?;
    line.push(b'\n');
    let written = timeout(WRITE_TIMEOUT, async {
        write.write_all(&line).await?;
        write.flush().await
    });
    Ok(written.await.map_err(|_| SocketError::Silent)??)
}

/// Reads lines up to a length.
struct Lines<R> {
    read: R,
    buffer: Vec<u8>,
    /// Up to here there is no line feed in the buffer.
    searched: usize,
    len_max: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    fn new(read: R, len_max: usize) -> Self {
        Self {
            read,
            buffer: Vec::new(),
            searched: 0,
            len_max,
        }
    }

    fn is_full(&self) -> bool {
        self.len_max < self.buffer.len()
    }

    /// Reads what is there, and returns how much; zero is the end. Nothing is lost when it is dropped.
    async fn fill(&mut self) -> io::Result<usize> {
        self.read.read_buf(&mut self.buffer).await
    }

    /// Returns the next line, or nothing at the end. What is left without a line feed at the end is no line.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, SocketError> {
        loop {
            if let Some(at) = self.buffer[self.searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let rest = self.buffer.split_off(self.searched + at + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.is_full() {
                return Err(SocketError::TooLong);
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }
}

/// The asking side: a connection to the client that runs on a folder.
pub struct Conversation {
    lines: Lines<ReadHalf<platform::Stream>>,
    write: WriteHalf<platform::Stream>,
}

impl Conversation {
    /// Connects to the client that runs on a folder.
    ///
    /// # Errors
    /// When there is none.
    pub async fn open(place: &Place) -> Result<Self, SocketError> {
        let stream = timeout(CONNECT_TIMEOUT, platform::connect(place))
            .await
            .map_err(|_| SocketError::Silent)??;
        let (read, write) = tokio::io::split(stream);
        let lines = Lines::new(read, ANSWER_LEN_MAX);
        Ok(Self { lines, write })
    }

    /// Asks a question and returns the (first) answer.
    ///
    /// # Errors
    /// When the connection breaks, or no answer comes in the time that such a question may take.
    pub async fn ask(&mut self, ask: &Ask) -> Result<Answer, SocketError> {
        write_line(&mut self.write, ask).await?;
        match answer_timeout(ask) {
            Some(limit) => timeout(limit, self.next())
                .await
                .map_err(|_| SocketError::Silent)?,
            None => self.next().await,
        }
    }

    /// Returns the next answer, after [`Ask::Listen`].
    ///
    /// # Errors
    /// When the connection breaks or the client ends.
    pub async fn next(&mut self) -> Result<Answer, SocketError> {
        let line = self.lines.next().await?.ok_or(SocketError::Ended)?;
        serde_json::from_slice(&line).map_err(SocketError::NotUnderstood)
    }
}

/// How long a question may take to be answered; nothing is for ever, as long as the client runs.
fn answer_timeout(ask: &Ask) -> Option<Duration> {
    const QUICK: Duration = Duration::from_secs(30);
    const LONG: Duration = Duration::from_secs(60 * 60);
    match ask {
        Ask::Listen | Ask::Wait { timeout_ms: None } => None,
        Ask::Wait {
            timeout_ms: Some(timeout_ms),
        } => Some(Duration::from_millis(*timeout_ms).saturating_add(QUICK)),
        Ask::Restore { .. } | Ask::Resolve { .. } | Ask::Verify | Ask::Revert => Some(LONG),
        Ask::Status
        | Ask::Identity
        | Ask::List { .. }
        | Ask::Log { .. }
        | Ask::History { .. }
        | Ask::Conflicts
        | Ask::Devices
        | Ask::RenameDevice { .. }
        | Ask::RevokeDevice { .. }
        | Ask::ReplaceId
        | Ask::Why { .. }
        | Ask::Confirm
        | Ask::Rescan
        | Ask::Stop
        | Ask::GiveWay => Some(QUICK),
    }
}
