//! The control connection, for ever: connect, serve until it is lost, wait a little longer each time, connect again.
//! What cannot be mended by waiting (a changed key, a device that is not admitted) ends the task and is told.

use std::time::Duration;

use common::codec::Frame;
use common::message::{Auth, Refusal, Reply, Role, Welcome};
use sync_engine::Generation;
use sync_engine::backoff::Backoff;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connect::{ConnectError, Endpoint, Introduction, connect};
use super::heard::Heard;
use super::line::Outgoing;

/// How many events wait for the driver at most.
const EVENTS_WAITING_MAX: usize = 2;

/// What the task tells the driver, in order.
pub enum ControlEvent {
    /// The device is admitted; from here on frames come until `Lost`.
    Connected {
        /// What the server said.
        welcome: Welcome,
        /// The fingerprint of the server's key.
        fingerprint: common::fingerprint::Fingerprint,
        /// Where to send requests. Closed when the connection is lost.
        outgoing: mpsc::Sender<Outgoing>,
        /// When the server was last heard.
        heard: Heard,
        /// The generation that this connection began; to be kept.
        generation: Generation,
    },
    /// A frame came.
    Frame(Frame<Reply>),
    /// The connection is lost or could not be made; another try follows.
    Lost {
        /// Why.
        reason: String,
        /// When.
        retry: Duration,
    },
    /// No further try makes sense. The task has ended.
    Ended(ConnectError),
}

/// How the device introduces itself from now on. The driver changes it when it has been enrolled.
#[derive(Clone)]
pub struct Presence {
    /// How it is known.
    pub auth: Auth,
    /// The generation that was confirmed last.
    pub generation: Generation,
}

/// How long the task goes on without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// For ever.
    Endless,
    /// The first try has to succeed; after that for ever.
    FirstTry,
    /// The first try has to succeed; after that a few in a row may fail.
    FewTries,
}

impl Patience {
    /// How many tries in a row may fail once there was a connection, of a run that is to end.
    const FEW: u32 = 5;

    fn is_over(self, failures: u32, connected: bool) -> bool {
        match self {
            Self::Endless => false,
            Self::FirstTry => !connected,
            Self::FewTries => !connected || Self::FEW <= failures,
        }
    }
}

/// A handle on the task. Dropping it ends the task.
pub struct Control {
    /// What the task tells.
    pub events: mpsc::Receiver<ControlEvent>,
    presence: watch::Sender<Presence>,
    hurry: std::sync::Arc<Notify>,
    ending: CancellationToken,
}

impl Control {
    /// Starts the task.
    #[must_use]
    pub fn start(endpoint: Endpoint, presence: Presence, patience: Patience) -> Self {
        let (told, events) = mpsc::channel(EVENTS_WAITING_MAX);
        let (presence, present) = watch::channel(presence);
        let hurry = std::sync::Arc::new(Notify::new());
        let ending = CancellationToken::new();
        let running = run(endpoint, present, told, hurry.clone(), patience);
        tokio::spawn(ending.clone().run_until_cancelled_owned(running));
        Self {
            events,
            presence,
            hurry,
            ending,
        }
    }

    /// Changes how the device introduces itself at the next connection.
    pub fn introduce(&self, presence: Presence) {
        self.presence.send_replace(presence);
    }

    /// Hangs up, and connects no more.
    pub fn end(&self) {
        self.ending.cancel();
    }

    /// Tries at once instead of waiting.
    pub fn hurry(&self) {
        self.hurry.notify_one();
    }
}

async fn run(
    endpoint: Endpoint,
    presence: watch::Receiver<Presence>,
    told: mpsc::Sender<ControlEvent>,
    hurry: std::sync::Arc<Notify>,
    patience: Patience,
) {
    let (mut backoff, mut failures, mut connected) = (Backoff::default(), 0, false);
    // It stays the same until the server has answered, so that of what the server keeps nothing is unknown here.
    let mut next_generation = random();
    loop {
        let began = Instant::now();
        let reason = match try_once(&endpoint, &presence, next_generation, &told).await {
            Ok(()) => {
                (failures, connected) = (0, true);
                next_generation = random();
                "the connection was lost".to_owned()
            }
            Err(error) if error.is_final() || patience.is_over(failures, connected) => {
                // The driver may have gone; then there is nobody to tell.
                let _ = told.send(ControlEvent::Ended(error)).await;
                return;
            }
            Err(error) => {
                failures += 1;
                error.to_string()
            }
        };
        let retry = backoff.after_failure(began.elapsed(), dice());
        if told.send(ControlEvent::Lost { reason, retry }).await.is_err() {
            return;
        }
        tokio::select! {
            biased;
            () = told.closed() => return,
            () = hurry.notified() => (),
            () = tokio::time::sleep(retry) => (),
        }
    }
}

/// Connects and hands frames on until the connection is lost.
async fn try_once(
    endpoint: &Endpoint,
    presence: &watch::Receiver<Presence>,
    next_generation: Generation,
    told: &mpsc::Sender<ControlEvent>,
) -> Result<(), ConnectError> {
    let Presence { auth, generation } = presence.borrow().clone();
    let introduction = Introduction {
        role: Role::Control,
        auth,
        generation,
        next_generation,
    };
    let (mut line, admitted) = match connect(endpoint, &introduction).await {
        Err(ConnectError::Refused(Refusal::Cloned)) => return Err(ask_begun(endpoint, &introduction).await),
        connected => connected?,
    };
    let connected = ControlEvent::Connected {
        welcome: admitted.welcome,
        fingerprint: admitted.fingerprint,
        outgoing: line.outgoing.clone(),
        heard: line.heard.clone(),
        generation: next_generation,
    };
    if told.send(connected).await.is_err() {
        return Ok(());
    }
    while let Some(frame) = line.incoming.recv().await {
        if let Reply::Refused(refusal) = frame.message {
            return Err(ConnectError::Refused(refusal));
        }
        if told.send(ControlEvent::Frame(frame)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Asks a server that takes this device for a copy which generation was begun last for it: the answer is a refusal too. An
/// older server does not know the question, and what it has said stands.
async fn ask_begun(endpoint: &Endpoint, refused: &Introduction) -> ConnectError {
    let introduction = Introduction {
        auth: Auth::LastBegun,
        ..refused.clone()
    };
    match connect(endpoint, &introduction).await {
        Err(ConnectError::Refused(Refusal::Malformed)) => ConnectError::Refused(Refusal::Cloned),
        Err(error) => error,
        Ok(_) => ConnectError::Broken("it answered another question than was asked".into()),
    }
}

fn random() -> Generation {
    let mut bytes = [0; 16];
    common::entropy::fill(&mut bytes).expect("the system has random numbers");
    bytes
}

/// A number from 0 up to, but not, 1.
fn dice() -> f64 {
    f64::from(u32::from_le_bytes(
        *random().first_chunk().expect("16 is more than 4"),
    )) / (f64::from(u32::MAX) + 1.0)
}

impl ConnectError {
    /// Tells whether trying again cannot help.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Untrusted(_) | Self::Unusable(_) | Self::Unvouched | Self::NotKept(_) => true,
            Self::Refused(refusal) => match refusal {
                Refusal::Protocol { .. }
                | Refusal::NotAdmitted
                | Refusal::Cloned
                | Refusal::Closed
                | Refusal::Begun { .. } => true,
                Refusal::Busy | Refusal::Malformed => false,
            },
            Self::OutOfReach(_) | Self::TimedOut | Self::Broken(_) => false,
        }
    }
}
