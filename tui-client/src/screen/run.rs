//! The loop: waits for an event, takes in all that are there, then draws once, at most 30 times a second and only when
//! something may have changed. It performs the effects; nothing else here does. Between events it sleeps.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossterm::event::{Event, EventStream, KeyEventKind, MouseButton, MouseEventKind};
use futures_core::Stream;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::keys::Key;
use super::message::{Effect, Message, Mouse, MouseDeed};
use super::model::Model;
use super::signals::Signals;
use super::terminal::Guard;
use super::{Client, Exit, ScreenError, ScreenOptions, opener, update, view};
use crate::control::{Answer, Ask};
use crate::notice::{Notice, Trouble};

/// The shortest time between two drawings.
const FRAME: Duration = Duration::from_millis(33);
/// The most messages that are taken in before drawing.
const BATCH_MAX: usize = 1024;

type Asks = mpsc::Sender<(Ask, oneshot::Sender<Answer>)>;

/// Runs the screen until a person leaves it, a signal comes, or the client goes away. The terminal is given back
/// before this returns, also when the future is dropped.
///
/// # Errors
/// When the terminal cannot be set up, written to or read.
pub async fn run(client: Client, options: ScreenOptions) -> Result<Exit, ScreenError> {
    // A signal that comes as soon as the terminal is taken already has to give it back.
    let signals = Signals::new()?;
    let mut guard = Guard::take(options.mouse)?;
    let mut screen = Screen {
        model: Model::new(options),
        asks: client.asks,
        answers: JoinSet::new(),
        events: Some(EventStream::new()),
        signals,
    };
    let mut notices = client.notices;
    let (columns, rows) = crossterm::terminal::size()?;
    let mut batch = vec![Message::Resize { columns, rows }];
    screen.model.want_all();
    let mut drawn_at: Option<Instant> = None;
    let mut dirty = true;
    loop {
        if let Some(exit) = screen.take(&mut guard, std::mem::take(&mut batch)).await? {
            return Ok(exit);
        }
        let now = Instant::now();
        let frame_at = drawn_at.map_or(now, |at| at + FRAME);
        if dirty && frame_at <= now {
            let size = guard.terminal.size()?;
            if (size.width, size.height) != screen.model.size {
                // The terminal is ahead of its own event.
                batch.push(Message::Resize {
                    columns: size.width,
                    rows: size.height,
                });
                continue;
            }
            guard.terminal.draw(|frame| view::view(&screen.model, frame))?;
            drawn_at = Some(Instant::now());
            dirty = false;
        }
        let wake = if dirty {
            Some(frame_at)
        } else {
            screen
                .model
                .due_ms()
                .map(|due_ms| now + Duration::from_millis(due_ms))
        };
        let mut timer = false;
        tokio::select! {
            event = next_event(&mut screen.events) => batch.extend(heard(event?)),
            notice = notices.recv() => match notice_message(notice) {
                Some(message) => batch.push(message),
                None => return Ok(Exit::ClientEnded),
            },
            Some(answer) = screen.answers.join_next() => match answer.ok().flatten() {
                Some(message) => batch.push(message),
                None => return Ok(Exit::ClientEnded),
            },
            () = screen.signals.any() => return Ok(Exit::Signal),
            () = sleep_until(wake) => timer = true,
        }
        drain(&mut notices, &mut batch);
        dirty |= timer || !batch.is_empty();
    }
}

/// Takes the notices that are there already.
fn drain(notices: &mut broadcast::Receiver<Notice>, batch: &mut Vec<Message>) {
    while batch.len() < BATCH_MAX {
        match notices.try_recv() {
            Ok(notice) => batch.push(Message::Notice(Box::new(notice))),
            Err(broadcast::error::TryRecvError::Lagged(_)) => batch.push(Message::Lagged),
            Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => break,
        }
    }
}

/// What the loop owns besides the terminal.
struct Screen {
    model: Model,
    asks: Asks,
    /// One task for each question that is on its way; each ends with its answer, or with nothing when the client is
    /// gone. Dropping the set ends them.
    answers: JoinSet<Option<Message>>,
    /// Keys, mouse and resizes; nothing while an editor has the terminal.
    events: Option<EventStream>,
    signals: Signals,
}

impl Screen {
    /// Takes messages in and performs what they ask for.
    async fn take(&mut self, guard: &mut Guard, batch: Vec<Message>) -> Result<Option<Exit>, ScreenError> {
        let mut messages = VecDeque::from(batch);
        messages.push_front(Message::Clock(now_ms()));
        while let Some(message) = messages.pop_front() {
            for effect in update::update(&mut self.model, message) {
                match effect {
                    Effect::Ask(ask) => {
                        self.answers.spawn(asked(self.asks.clone(), ask));
                    }
                    Effect::Copy(text) => guard.copy(&text)?,
                    Effect::Open(path) => {
                        messages.extend(
                            open(&path)
                                .err()
                                .map(|error| Message::OpenFailed(error.to_string())),
                        );
                    }
                    Effect::Edit(path) => messages.extend(self.edit(guard, &path).await?),
                    Effect::Quit(exit) => return Ok(Some(exit)),
                }
            }
        }
        Ok(None)
    }

    /// Gives the terminal to an editor and takes it back afterwards.
    async fn edit(&mut self, guard: &mut Guard, path: &Path) -> Result<Vec<Message>, ScreenError> {
        // Without this the screen's reader would take the editor's keys.
        self.events = None;
        guard.suspend();
        let mut command = opener::editor(path);
        let ended = tokio::task::spawn_blocking(move || command.status()).await;
        guard.resume()?;
        self.signals.forget_interrupt()?;
        self.events = Some(EventStream::new());
        let (columns, rows) = crossterm::terminal::size()?;
        let failed = match ended {
            Ok(Ok(status)) if status.success() => None,
            Ok(Ok(status)) => Some(format!("the editor ended with {status}")),
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        let resized = Message::Resize { columns, rows };
        Ok(std::iter::once(resized)
            .chain(failed.map(Message::OpenFailed))
            .collect())
    }
}

/// Sends a question and waits for its answer.
async fn asked(asks: Asks, ask: Ask) -> Option<Message> {
    let (sender, receiver) = oneshot::channel();
    asks.send((ask.clone(), sender)).await.ok()?;
    let answer = receiver.await.unwrap_or_else(|_| {
        Answer::Failed(Trouble {
            what: "the client gave no answer".to_owned(),
            done: "nothing was changed by the screen".to_owned(),
            todo: "try again".to_owned(),
        })
    });
    Some(Message::Answer {
        ask,
        answer: Box::new(answer),
    })
}

/// Opens a path and does not wait for the program.
fn open(path: &Path) -> io::Result<()> {
    let mut child = opener::opener(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // Somebody has to take note of its end.
    tokio::task::spawn_blocking(move || child.wait());
    Ok(())
}

fn notice_message(notice: Result<Notice, broadcast::error::RecvError>) -> Option<Message> {
    match notice {
        Ok(notice) => Some(Message::Notice(Box::new(notice))),
        Err(broadcast::error::RecvError::Lagged(_)) => Some(Message::Lagged),
        Err(broadcast::error::RecvError::Closed) => None,
    }
}

/// Waits for the terminal's next event.
pub(super) async fn next_event(events: &mut Option<EventStream>) -> io::Result<Event> {
    let Some(events) = events else {
        return std::future::pending().await;
    };
    let next = std::future::poll_fn(|context| std::pin::Pin::new(&mut *events).poll_next(context)).await;
    next.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))
}

/// Says what an event means to the screen. Windows reports the release of keys, too; only the press counts.
pub(super) fn heard(event: Event) -> Option<Message> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(Message::Key(Key::of(&key))),
        Event::Paste(text) => Some(Message::Paste(text)),
        Event::Resize(columns, rows) => Some(Message::Resize { columns, rows }),
        Event::Mouse(mouse) => {
            let deed = match mouse.kind {
                MouseEventKind::Down(MouseButton::Left) => MouseDeed::Click,
                MouseEventKind::ScrollUp => MouseDeed::WheelUp,
                MouseEventKind::ScrollDown => MouseDeed::WheelDown,
                _ => return None,
            };
            Some(Message::Mouse(Mouse {
                deed,
                column: mouse.column,
                row: mouse.row,
            }))
        }
        Event::Key(_) | Event::FocusGained | Event::FocusLost => None,
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

/// Returns the time in milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
