//! A server that does as it likes: the real wire, TLS included, and behind it whatever a test has written. It is how the
//! tests see what a client takes from a server that means harm.

use anyhow::{Context as _, Result};
use bytes::BytesMut;
use common::certificate::Certificate;
use common::codec::encode;
use common::frames::FrameReader;
use common::identity::AccountId;
use common::message::{Attachment, Auth, Cursor, Failure, Outcome, Reply, Request, Welcome};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use sync_engine::{DeviceId, Epoch, Hash, Node, NodeId, Rejection, Version};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// The epoch that a rogue server claims unless it is told another.
pub const EPOCH: Epoch = Epoch([3; 16]);

/// What a rogue server says.
#[derive(Debug, Clone)]
pub enum Said {
    /// A reply, in good order.
    Reply(Reply, Vec<Attachment>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A reply, again and again, until the client hangs up.
    Endless(Reply, Vec<Attachment>),
}

/// What it says to a request.
pub type Script = Arc<dyn Fn(&Request) -> Vec<Said> + Send + Sync>;

/// A rogue server on a free port of this computer; ended when dropped.
pub struct Rogue {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

struct Shared {
    script: Script,
    heard: Mutex<Vec<Request>>,
    changed: Condvar,
    endless_bytes: AtomicU64,
    n_cut: AtomicU64,
}

impl Shared {
    fn hear(&self, request: Request) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push(request);
        self.changed.notify_all();
    }
}

impl Rogue {
    /// Starts one with a key of its own.
    ///
    /// # Errors
    /// When there is no port or no key.
    pub fn start(script: Script) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_as(address, &Certificate::generate(&[])?, script)
    }

    /// Starts one in the place of a server whose key it has.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start_as(address: SocketAddr, certificate: &Certificate, script: Script) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let acceptor = TlsAcceptor::from(Arc::new(common::tls::server_config(certificate)?));
        let listener = runtime.block_on(TcpListener::bind(address))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            script,
            heard: Mutex::default(),
            changed: Condvar::new(),
            endless_bytes: AtomicU64::new(0),
            n_cut: AtomicU64::new(0),
        });
        let served = shared.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, shared) = (acceptor.clone(), served.clone());
                tokio::spawn(async move {
                    // A client that hangs up is what most tests wait for.
                    let _ = serve(&acceptor, stream, &shared).await;
                });
            }
        });
        Ok(Self {
            address,
            shared,
            runtime: Some(runtime),
        })
    }

    /// Where it listens, as an argument of the client.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Waits until it has heard requests that are wanted, so many times.
    ///
    /// # Errors
    /// When they do not come in time.
    pub fn wait_heard(&self, what: &str, times: usize, wanted: impl Fn(&Request) -> bool) -> Result<()> {
        self.wait(what, |heard| {
            times <= heard.iter().filter(|request| wanted(request)).count()
        })
    }

    /// Returns how many requests it has heard that are meant.
    #[must_use]
    pub fn n_heard(&self, meant: impl Fn(&Request) -> bool) -> usize {
        let heard = self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().filter(|request| meant(request)).count()
    }

    /// Waits until a client has hung up on an endless reply, and returns how many bytes of it were taken, buffers on the
    /// way included.
    ///
    /// # Errors
    /// When the client does not.
    pub fn wait_cut(&self) -> Result<u64> {
        self.wait("hanging up", |_| 0 < self.shared.n_cut.load(Ordering::SeqCst))?;
        Ok(self.shared.endless_bytes.load(Ordering::SeqCst))
    }

    fn wait(&self, what: &str, is_met: impl Fn(&[Request]) -> bool) -> Result<()> {
        let deadline = Instant::now() + crate::device::PATIENCE;
        let mut heard = self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner);
        while !is_met(&heard) {
            let left = deadline.saturating_duration_since(Instant::now());
            anyhow::ensure!(
                !left.is_zero(),
                "the rogue server did not see {what}; it heard {heard:?}"
            );
            let waited = self
                .shared
                .changed
                .wait_timeout(heard, left.min(Duration::from_millis(200)));
            heard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }
}

impl Drop for Rogue {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The port is free again when its tasks have ended.
            runtime.shutdown_timeout(Duration::from_secs(10));
        }
    }
}

async fn serve(acceptor: &TlsAcceptor, stream: TcpStream, shared: &Shared) -> Result<()> {
    let (read, mut write) = tokio::io::split(acceptor.accept(stream).await?);
    let mut requests = FrameReader::<_, Request, Reply>::new(read);
    requests.admit();
    loop {
        let frame = requests.next().await?.context("the client hung up")?;
        let said = (shared.script)(&frame.message);
        shared.hear(frame.message);
        for said in said {
            say(&mut write, said, shared).await?;
        }
    }
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), said: Said, shared: &Shared) -> Result<()> {
    let framed = |reply: &Reply, attachments: &[Attachment]| -> Result<BytesMut> {
        let mut frame = BytesMut::new();
        encode(reply, attachments, &mut frame).context("a reply that is too long for a frame")?;
        Ok(frame)
    };
    match said {
        Said::Reply(reply, attachments) => stream.write_all(&framed(&reply, &attachments)?).await?,
        Said::Bytes(bytes) => stream.write_all(&bytes).await?,
        Said::Endless(reply, attachments) => {
            let frame = framed(&reply, &attachments)?;
            while stream.write_all(&frame).await.is_ok() && stream.flush().await.is_ok() {
                shared
                    .endless_bytes
                    .fetch_add(frame.len() as u64, Ordering::SeqCst);
            }
            shared.n_cut.fetch_add(1, Ordering::SeqCst);
            shared.changed.notify_all();
        }
    }
    stream.flush().await?;
    Ok(())
}

/// A tree as a server tells of it.
pub type Nodes = Vec<(NodeId, Version, Node)>;

/// What a server answers that has these nodes, keeps nothing, and harms nobody: scripts say the rest.
#[must_use]
pub fn honest(request: &Request, epoch: Epoch, nodes: &Nodes) -> Vec<Said> {
    let head = Version(nodes.len() as u64);
    let nothing = |request: u64| Reply::Failed {
        request,
        failure: Failure::NotFound,
    };
    let reply = match request {
        Request::Hello(hello) => Reply::Welcome(Welcome {
            agent: "rogue".into(),
            id: match &hello.auth {
                Auth::Register { .. } => AccountId::generate().ok(),
                Auth::Enrol { .. } | Auth::Device | Auth::LastBegun => None,
            },
            device: DeviceId([9; 16]),
            device_name: "a".into(),
            epoch,
            head,
        }),
        Request::Pull { .. } => Reply::Snapshot {
            nodes: nodes.clone(),
            cursor: Cursor {
                epoch,
                version: head,
                chain: Hash([0; 32]),
            },
            last: true,
        },
        Request::Commit { request, changes } | Request::CommitGroup { request, changes, .. } => {
            Reply::Committed {
                request: *request,
                outcomes: vec![Outcome::Rejected(Rejection::Quota); changes.len()],
            }
        }
        Request::Have { request, hashes } => Reply::Missing {
            request: *request,
            hashes: hashes.clone(),
        },
        Request::Get { request, hashes } => Reply::Chunks {
            request: *request,
            missing: hashes.clone(),
            last: true,
        },
        Request::Ping { request } => Reply::Pong {
            request: *request,
            head,
        },
        Request::Compare { request, .. } => Reply::Compared {
            request: *request,
            newest: Version::ZERO,
        },
        Request::Devices { request } => Reply::Devices {
            request: *request,
            devices: Vec::new(),
        },
        Request::Put { request }
        | Request::History { request, .. }
        | Request::Browse { request, .. }
        | Request::Log { request, .. }
        | Request::Trace { request, .. }
        | Request::Recover { request, .. }
        | Request::RenameDevice { request, .. }
        | Request::RevokeDevice { request, .. }
        | Request::ReplaceId { request }
        | Request::CheckId { request, .. } => nothing(*request),
    };
    vec![Said::Reply(reply, Vec::new())]
}
