//! A device that speaks the real wire and has no folder.

use anyhow::{Context as _, Result, bail};
use bytes::BytesMut;
use common::certificate::Certificate;
use common::codec::encode;
use common::frames::FrameReader;
use common::identity::AccountId;
use common::limits::{PING_INTERVAL, PROTOCOL_VERSION};
use common::message::{Attachment, Auth, Hello, Outcome, Reply, Request, Role};
use common::tls::{Trust, client_config, server_name};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use sync_engine::{Change, Content, FileState, Kind, Name, Node, NodeId, Version};
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The length of the contents that are committed, in bytes.
const CONTENT_LEN: usize = 1024;

/// A device with its control connection.
pub(crate) struct Device {
    read: FrameReader<ReadHalf<TlsStream<TcpStream>>, Reply, Request>,
    write: WriteHalf<TlsStream<TcpStream>>,
    n_requests: u64,
}

impl Device {
    /// Makes an account with so many devices, which are up to date.
    ///
    /// # Errors
    /// When the server does not take them.
    pub(crate) async fn account(address: SocketAddr, n_devices: usize) -> Result<Vec<Self>> {
        let register = Auth::Register {
            device_name: "first".into(),
        };
        let (first, id) = Self::come(address, register).await?;
        let id = id.context("a new account has no ID")?;
        let mut devices = vec![first];
        while devices.len() < n_devices {
            let enrol = Auth::Enrol {
                id: id.clone(),
                device_name: "other".into(),
            };
            devices.push(Self::come(address, enrol).await?.0);
        }
        Ok(devices)
    }

    async fn come(address: SocketAddr, auth: Auth) -> Result<(Self, Option<AccountId>)> {
        let certificate = Certificate::generate(&[])?;
        let connector = TlsConnector::from(Arc::new(client_config(&certificate, Trust::FirstUse)?));
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = connector.connect(server_name("localhost"), stream).await?;
        let (read, write) = tokio::io::split(stream);
        let mut device = Self {
            read: FrameReader::new(read),
            write,
            n_requests: 0,
        };
        let mut next_generation = [0; 16];
        common::entropy::fill(&mut next_generation)?;
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            agent: "crowd".into(),
            role: Role::Control,
            auth,
            generation: [0; 16],
            next_generation,
        };
        device.send(&Request::Hello(hello), &[]).await?;
        let welcome = match device.next().await? {
            Reply::Welcome(welcome) => welcome,
            other => bail!("the server answers {other:?}"),
        };
        device.read.admit();
        device.send(&Request::Pull { cursor: None }, &[]).await?;
        loop {
            match device.next().await? {
                Reply::Snapshot { last: true, .. } => return Ok((device, welcome.id)),
                Reply::Snapshot { .. } => {}
                other => bail!("the server answers {other:?}"),
            }
        }
    }

    /// Does nothing but show that it lives, until it is cut off.
    ///
    /// # Errors
    /// When it is cut off.
    pub(crate) async fn rest(mut self) -> Result<()> {
        loop {
            if let Ok(came) = timeout(PING_INTERVAL, self.next()).await {
                came?;
            } else {
                let request = self.number();
                self.send(&Request::Ping { request }, &[]).await?;
            }
        }
    }

    /// Commits one edit after the other to a file of its own, and returns how long each took to be answered.
    ///
    /// # Errors
    /// When one is refused.
    pub(crate) async fn work(mut self, until: Instant) -> Result<Vec<Duration>> {
        let mut id = [0; 16];
        common::entropy::fill(&mut id)?;
        let id = NodeId(id);
        let mut waits = Vec::new();
        let mut known: Option<Version> = None;
        while Instant::now() < until {
            let (kind, attachment) = content()?;
            let change = match known {
                Some(base) => Change::Update { id, base, kind },
                None => Change::Create {
                    id,
                    node: Node {
                        parent: NodeId::ROOT,
                        name: Name::try_from(format!("{id:?}").as_str())?,
                        kind,
                        mark: None,
                    },
                },
            };
            let sent = Instant::now();
            known = Some(self.commit(change, attachment).await?);
            waits.push(sent.elapsed());
        }
        Ok(waits)
    }

    async fn commit(&mut self, change: Change, attachment: Attachment) -> Result<Version> {
        let request = self.number();
        let changes = vec![change];
        self.send(&Request::Commit { request, changes }, &[attachment])
            .await?;
        loop {
            match self.next().await? {
                Reply::Entries { .. } => {}
                Reply::Committed { outcomes, .. } => match outcomes.as_slice() {
                    [Outcome::Accepted(version)] => return Ok(*version),
                    other => bail!("the server answers {other:?}"),
                },
                other => bail!("the server answers {other:?}"),
            }
        }
    }

    fn number(&mut self) -> u64 {
        self.n_requests += 1;
        self.n_requests
    }

    async fn send(&mut self, request: &Request, attachments: &[Attachment]) -> Result<()> {
        let mut bytes = BytesMut::new();
        encode(request, attachments, &mut bytes)?;
        self.write.write_all(&bytes).await?;
        self.write.flush().await?;
        Ok(())
    }

    async fn next(&mut self) -> Result<Reply> {
        let frame = self.read.next().await?;
        Ok(frame.context("the server hung up")?.message)
    }
}

/// Makes a content that nobody else has.
fn content() -> Result<(Kind, Attachment)> {
    let mut bytes = vec![0; CONTENT_LEN];
    common::entropy::fill(&mut bytes)?;
    let attachment = Attachment::data(bytes.into());
    let file = FileState {
        content: Content {
            hash: attachment.head.hash,
            size_bytes: CONTENT_LEN as u64,
            depth: 0,
        },
        exec: false,
        mtime_ns: 0,
    };
    Ok((Kind::File(file), attachment))
}
