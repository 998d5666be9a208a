//! A bad network: a relay between client and server that can be cut, stalled and slowed down, and that can cut itself
//! after so many bytes.

use anyhow::Result;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How the network is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    /// Bytes pass, each held back for a time.
    Passing(Duration),
    /// Nothing passes, and connections stay open.
    Stalled,
    /// There are no connections, and new ones are ended at once.
    Cut,
    /// The relay ends.
    Closing,
}

#[derive(Debug)]
struct Network {
    weather: Weather,
    /// How many bytes may still pass before it cuts itself.
    bytes_left: Option<u64>,
    bytes_passed: u64,
    streams: Vec<TcpStream>,
}

impl Network {
    fn drop_connections(&mut self) {
        for stream in self.streams.drain(..) {
            // Whoever hung up before is gone already.
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }
}

#[derive(Debug)]
struct Relay {
    network: Mutex<Network>,
    changed: Condvar,
}

impl Relay {
    fn lock(&self) -> MutexGuard<'_, Network> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, weather: Weather) {
        let mut network = self.lock();
        network.weather = weather;
        if matches!(weather, Weather::Cut | Weather::Closing) {
            network.drop_connections();
        }
        self.changed.notify_all();
    }

    /// Holds the caller back as the weather demands. Tells how many of `n_bytes` may pass: all, or those up to the cut.
    fn admit(&self, n_bytes: usize) -> Option<usize> {
        let arrived = Instant::now();
        let mut network = self.lock();
        loop {
            let wait = match network.weather {
                Weather::Cut | Weather::Closing => return None,
                Weather::Stalled => Duration::from_secs(3600),
                Weather::Passing(delay) => delay.saturating_sub(arrived.elapsed()),
            };
            if wait.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(network, wait);
            network = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let n_bytes = n_bytes as u64;
        let passing = network.bytes_left.map_or(n_bytes, |left| left.min(n_bytes));
        network.bytes_passed += passing;
        if let Some(left) = &mut network.bytes_left {
            *left -= passing;
        }
        usize::try_from(passing).ok()
    }

    /// Cuts when the bytes that were allowed have passed.
    fn cut_when_spent(&self) {
        let mut network = self.lock();
        if network.bytes_left == Some(0) {
            network.bytes_left = None;
            network.weather = Weather::Cut;
            network.drop_connections();
            self.changed.notify_all();
        }
    }

    fn connect(self: &Arc<Self>, near: TcpStream, upstream: SocketAddr) -> Result<()> {
        if matches!(self.lock().weather, Weather::Cut | Weather::Closing) {
            return Ok(());
        }
        let far = TcpStream::connect(upstream)?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        self.lock().streams.extend([near.try_clone()?, far.try_clone()?]);
        for (from, to) in [(near.try_clone()?, far.try_clone()?), (far, near)] {
            let relay = Arc::clone(self);
            std::thread::spawn(move || relay.pump(from, to));
        }
        Ok(())
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(n_read) = from.read(&mut buffer) {
            let Some(n_passing) = self.admit(n_read) else {
                break;
            };
            if n_read == 0 || to.write_all(&buffer[..n_passing]).is_err() {
                break;
            }
            self.cut_when_spent();
        }
        // The other half learns of it; it may know already.
        let _gone = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}

/// A relay on a free port of this computer; ended when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    relay: Arc<Relay>,
}

impl Proxy {
    /// Starts a relay to `upstream`.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn new(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let relay = Arc::new(Relay {
            network: Mutex::new(Network {
                weather: Weather::Passing(Duration::ZERO),
                bytes_left: None,
                bytes_passed: 0,
                streams: Vec::new(),
            }),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&relay);
        std::thread::spawn(move || {
            for near in listener.incoming() {
                if accepting.lock().weather == Weather::Closing {
                    return;
                }
                // A server that is down is the same to the client as a connection that ends at once.
                let _refused = near.map(|near| accepting.connect(near, upstream));
            }
        });
        Ok(Self { address, relay })
    }

    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets everything pass at once.
    pub fn mend(&self) {
        self.relay.set(Weather::Passing(Duration::ZERO));
    }

    /// Ends all connections, and every new one.
    pub fn cut(&self) {
        self.relay.set(Weather::Cut);
    }

    /// Lets nothing pass, without ending a connection.
    pub fn stall(&self) {
        self.relay.set(Weather::Stalled);
    }

    /// Holds back each piece of data for a time.
    pub fn delay(&self, delay: Duration) {
        self.relay.set(Weather::Passing(delay));
    }

    /// Cuts as soon as so many more bytes have passed, both ways together.
    pub fn cut_after(&self, n_bytes: u64) {
        self.relay.lock().bytes_left = Some(n_bytes);
    }

    /// Waits until it has cut itself, and tells whether it has.
    #[must_use]
    pub fn wait_cut(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut network = self.relay.lock();
        while network.weather != Weather::Cut {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.relay.changed.wait_timeout(network, left);
            network = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Returns how many bytes have passed, both ways together.
    #[must_use]
    pub fn bytes_passed(&self) -> u64 {
        self.relay.lock().bytes_passed
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.relay.set(Weather::Closing);
        // Wakes the thread that accepts, so that it sees the end.
        let _woken = TcpStream::connect(self.address);
    }
}
