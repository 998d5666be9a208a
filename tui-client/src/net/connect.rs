//! How one connection is made: TCP, TLS with the server's key checked, `Hello`, `Welcome`.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use common::certificate::Certificate;
use common::codec::encode;
use common::fingerprint::Fingerprint;
use common::limits::{
    CONTROL_PING_INTERVAL, HANDSHAKE_TIMEOUT, HELLO_TIMEOUT, PING_INTERVAL, PROTOCOL_VERSION,
};
use common::link::ServerAddress;
use common::message::{Auth, Hello, Refusal, Reply, Request, Role, Welcome};
use common::tls::{self, TrustError};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::heard::{Heard, Noted};
use super::line::{FrameReader, Line};
use super::vouch::ServerKey;

/// How long a TCP connection may take to come about.
const TCP_TIMEOUT: Duration = Duration::from_secs(10);
/// What the server's log shows of this program.
const AGENT: &str = concat!("tui-client ", env!("CARGO_PKG_VERSION"));

/// A connection that bytes go through in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What a dialled connection comes as.
pub type Dialled = Result<(Box<dyn Stream>, Fingerprint), ConnectError>;

/// The way to a server: TCP and TLS, or what a simulation has instead.
pub trait Dial: Send + Sync {
    /// Connects and checks the server's key. Nothing is sent that identifies anybody before that. Returns the fingerprint
    /// of the server's key with the connection.
    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> Pin<Box<dyn Future<Output = Dialled> + Send + 'a>>;
}

/// The way over TCP and TLS.
#[derive(Debug, Clone, Copy, Default)]
pub struct TlsDial;

impl Dial for TlsDial {
    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> Pin<Box<dyn Future<Output = Dialled> + Send + 'a>> {
        Box::pin(async move {
            let stream = handshake(endpoint).await?;
            let fingerprint = fingerprint_of(&stream)?;
            Ok((Box::new(stream) as Box<dyn Stream>, fingerprint))
        })
    }
}

/// Where the server is, how it is reached and how both sides know each other.
#[derive(Clone)]
pub struct Endpoint {
    /// The way there.
    pub dial: Arc<dyn Dial>,
    /// The server.
    pub address: ServerAddress,
    /// The server's key, as far as it is known.
    pub key: Arc<ServerKey>,
    /// This device's key.
    pub certificate: Arc<Certificate>,
}

/// What a device says of itself in a `Hello`.
#[derive(Clone)]
pub struct Introduction {
    /// What the connection is for.
    pub role: Role,
    /// How the device is known.
    pub auth: Auth,
    /// The generation that the server confirmed last.
    pub generation: [u8; 16],
    /// The generation that this connection begins.
    pub next_generation: [u8; 16],
}

/// What is known once a device is admitted.
pub struct Admitted {
    /// What the server said.
    pub welcome: Welcome,
    /// The fingerprint of the server's key.
    pub fingerprint: Fingerprint,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No TCP connection came about.
    #[error("the server cannot be reached: {0}")]
    OutOfReach(#[source] io::Error),
    /// A step took too long.
    #[error("the server did not answer in time")]
    TimedOut,
    /// The peer broke off or does not speak the protocol.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The server's key is not the one that was pinned.
    #[error("the server is not the one that was trusted: {0}")]
    Untrusted(TrustError),
    /// Nobody vouches for the server, and more would be said to it than such a one may be told.
    #[error("nobody vouches for the server")]
    Unvouched,
    /// The key of the server could not be stored.
    #[error("the server's key could not be stored: {0}")]
    NotKept(String),
    /// The server does not admit this device.
    #[error("the server refused: {0}")]
    Refused(Refusal),
    /// This side's key or settings cannot be used.
    #[error("the device's own key cannot be used: {0}")]
    Unusable(String),
}

/// Makes a connection and introduces the device, to a server that may be told this. Its key is stored before.
///
/// # Errors
/// See [`ConnectError`]. Every step has a limit of time.
pub async fn connect(
    endpoint: &Endpoint,
    introduction: &Introduction,
) -> Result<(Line, Admitted), ConnectError> {
    endpoint.key.check(&introduction.auth)?;
    let (stream, fingerprint) = endpoint.dial.dial(endpoint).await?;
    endpoint.key.met(&endpoint.address, fingerprint)?;
    let (read, mut write) = tokio::io::split(stream);
    let heard = Heard::default();
    let mut frames = FrameReader::new(Noted::new(read, heard.clone()));
    let hello = Request::Hello(Hello {
        protocol: PROTOCOL_VERSION,
        agent: AGENT.into(),
        role: introduction.role,
        auth: introduction.auth.clone(),
        generation: introduction.generation,
        next_generation: introduction.next_generation,
    });
    let mut bytes = BytesMut::new();
    encode(&hello, &[], &mut bytes).map_err(|error| ConnectError::Broken(error.to_string()))?;
    let answer = timeout(HELLO_TIMEOUT, async {
        write
            .write_all_buf(&mut bytes)
            .await
            .map_err(|error| explain(&error))?;
        write.flush().await.map_err(|error| explain(&error))?;
        match frames.next().await {
            Ok(Some(frame)) => Ok(frame.message),
            Err(error) => Err(ConnectError::Broken(error.to_string())),
            Ok(None) => Err(ConnectError::Broken("the server hung up".into())),
        }
    });
    match answer.await.map_err(|_| ConnectError::TimedOut)?? {
        Reply::Welcome(welcome) => {
            frames.admit();
            let ping_interval = match introduction.role {
                Role::Control => CONTROL_PING_INTERVAL,
                Role::Bulk => PING_INTERVAL,
            };
            let line = Line::start(frames, write, heard, ping_interval);
            Ok((line, Admitted { welcome, fingerprint }))
        }
        Reply::Refused(refusal) => Err(ConnectError::Refused(refusal)),
        _ => Err(ConnectError::Broken(
            "it answered another question than was asked".into(),
        )),
    }
}

/// Connects as far as TLS goes and returns the fingerprint of the server's key. Nothing is sent that identifies anybody.
///
/// # Errors
/// As [`connect`].
pub async fn probe(endpoint: &Endpoint) -> Result<Fingerprint, ConnectError> {
    endpoint
        .dial
        .dial(endpoint)
        .await
        .map(|(_, fingerprint)| fingerprint)
}

fn fingerprint_of(stream: &TlsStream<TcpStream>) -> Result<Fingerprint, ConnectError> {
    tls::peer_fingerprint(stream.get_ref().1).map_err(|error| ConnectError::Broken(error.to_string()))
}

async fn handshake(endpoint: &Endpoint) -> Result<TlsStream<TcpStream>, ConnectError> {
    let config = tls::client_config(&endpoint.certificate, endpoint.key.trust())
        .map_err(|error| ConnectError::Unusable(error.to_string()))?;
    let address = (endpoint.address.host(), endpoint.address.port());
    let tcp = timeout(TCP_TIMEOUT, TcpStream::connect(address))
        .await
        .map_err(|_| ConnectError::TimedOut)?
        .map_err(ConnectError::OutOfReach)?;
    tcp.set_nodelay(true).map_err(ConnectError::OutOfReach)?;
    let name = tls::server_name(endpoint.address.host());
    timeout(
        HANDSHAKE_TIMEOUT,
        TlsConnector::from(Arc::new(config)).connect(name, tcp),
    )
    .await
    .map_err(|_| ConnectError::TimedOut)?
    .map_err(|error| explain(&error))
}

/// Finds a mismatch of keys inside an error of TLS, so that it is told from a broken connection.
fn explain(error: &io::Error) -> ConnectError {
    match TrustError::find(error) {
        Some(mismatch) => ConnectError::Untrusted(*mismatch),
        None => ConnectError::Broken(error.to_string()),
    }
}
