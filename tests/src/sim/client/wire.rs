//! A simulated computer's line to the server: it may be down, slow, silent, or break at any byte.

use crate::noise::Noise;
use crate::sim::server::SimServer;
use common::fingerprint::Fingerprint;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tui_client::net::{ConnectError, Dial, Dialled, Endpoint};

/// The fingerprint that the simulated server's key has.
pub const SERVER_KEY: Fingerprint = Fingerprint([7; 32]);
/// Bytes that are on the way between the client and its line.
const NEAR_LEN: usize = 64 * 1024;
/// The most bytes that go at once.
const PIECE_LEN_MAX: u64 = 32 * 1024;

/// What a line does with what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Everything arrives, each piece after a delay of up to so many milliseconds.
    Fair(u64),
    /// No connection comes about, and those that there are break.
    Down,
    /// Connections stay, but nothing arrives any more.
    Silent,
    /// All connections break after so many bytes; then it is fair.
    BreaksAfter(u64),
}

/// See the module's page. Clones share it.
#[derive(Clone)]
pub(super) struct Wire(Arc<Inner>);

struct Inner {
    server: Arc<SimServer>,
    state: Mutex<State>,
}

struct State {
    weather: Weather,
    dice: Noise,
    /// The lines that there are break when this is cancelled.
    lines: CancellationToken,
    /// The keys that the client has shown, in order: those that it makes are random, those of the simulation are not.
    shown: Vec<[u8; 32]>,
    number: u8,
}

impl Wire {
    /// Makes the line of the computer with a number.
    pub(super) fn new(server: Arc<SimServer>, number: u8, seed: u64) -> Self {
        let state = State {
            weather: Weather::Fair(2),
            dice: Noise::new(seed),
            lines: CancellationToken::new(),
            shown: Vec::new(),
            number,
        };
        Self(Arc::new(Inner {
            server,
            state: Mutex::new(state),
        }))
    }

    /// Changes the weather.
    pub(super) fn set_weather(&self, weather: Weather) {
        let mut state = self.lock();
        state.weather = weather;
        if weather == Weather::Down {
            state.break_lines();
        }
    }

    /// Breaks all lines, as when the client's life ends.
    pub(super) fn hang_up(&self) {
        self.lock().break_lines();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self, endpoint: &Endpoint) -> Dialled {
        let refused = || ConnectError::OutOfReach(io::ErrorKind::ConnectionRefused.into());
        let (key, lines) = {
            let mut state = self.lock();
            if state.weather == Weather::Down {
                return Err(refused());
            }
            (
                state.key(endpoint.certificate.fingerprint().0),
                state.lines.clone(),
            )
        };
        let far = self.0.server.connect(key).map_err(|_| refused())?;
        let (near, line) = tokio::io::duplex(NEAR_LEN);
        let (line_read, line_write) = tokio::io::split(line);
        let (far_read, far_write) = tokio::io::split(far);
        tokio::spawn(carry(self.clone(), lines.clone(), line_read, far_write));
        tokio::spawn(carry(self.clone(), lines, far_read, line_write));
        Ok((Box::new(near), SERVER_KEY))
    }

    /// Says what happens to the next bytes: how long they take, or nothing if they never arrive.
    fn fate(&self, lines: &CancellationToken, n_bytes: u64) -> Option<Duration> {
        let mut state = self.lock();
        let delay_max = match state.weather {
            Weather::Fair(delay_max) => delay_max,
            Weather::Down => return None,
            Weather::Silent => 3_600_000,
            Weather::BreaksAfter(left) if left < n_bytes => {
                state.weather = Weather::Fair(2);
                state.break_lines();
                return None;
            }
            Weather::BreaksAfter(left) => {
                state.weather = Weather::BreaksAfter(left - n_bytes);
                2
            }
        };
        let delay = state.dice.number() % (delay_max + 1);
        (!lines.is_cancelled()).then(|| Duration::from_millis(delay))
    }

    fn piece_len(&self) -> usize {
        (self.lock().dice.number() % PIECE_LEN_MAX + 1) as usize
    }
}

impl State {
    fn break_lines(&mut self) {
        std::mem::take(&mut self.lines).cancel();
    }

    /// Returns the key by which the simulation knows one that the client made.
    fn key(&mut self, shown: [u8; 32]) -> Fingerprint {
        let at = self.shown.iter().position(|known| *known == shown);
        let at = at.unwrap_or_else(|| {
            self.shown.push(shown);
            self.shown.len() - 1
        });
        let mut key = [self.number; 32];
        key[0] = u8::try_from(at).unwrap_or(u8::MAX);
        Fingerprint(key)
    }
}

impl Dial for Wire {
    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> Pin<Box<dyn Future<Output = Dialled> + Send + 'a>> {
        Box::pin(async move {
            sleep(Duration::from_millis(1)).await;
            self.connect(endpoint)
        })
    }
}

/// Carries bytes in one direction until the line breaks.
async fn carry(
    wire: Wire,
    lines: CancellationToken,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) {
    loop {
        let mut piece = vec![0; wire.piece_len()];
        let read = tokio::select! {
            biased;
            () = lines.cancelled() => return,
            read = from.read(&mut piece) => read,
        };
        let Ok(len @ 1..) = read else { return };
        let Some(delay) = wire.fate(&lines, len as u64) else {
            return;
        };
        let sent = async {
            sleep(delay).await;
            to.write_all(&piece[..len]).await
        };
        tokio::select! {
            biased;
            () = lines.cancelled() => return,
            sent = sent => if sent.is_err() { return },
        }
    }
}
