//! A server from its start to its end. Start: the data directory is taken, the store brought in order, the certificate
//! read or made, the ports opened. End: no more connections are taken, those that are there get a moment to end, the
//! writer finishes what it has, and the directory is given back.

use common::certificate::{Certificate, CertificateFiles};
use common::fingerprint::Fingerprint;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::feed::Feeds;
use crate::gate::Gate;
use crate::house::House;
use crate::listener::listen;
use crate::options::Options;
use crate::store::{Directory, Metadata, Store};
use crate::trouble::{StartError, Trouble};
use crate::writer::{Ended, Writer};

/// Trees that are read out at a time.
const TREES_MAX: usize = 16;
/// How often the server looks whether another process has changed the store.
const LOOK_INTERVAL: Duration = Duration::from_millis(300);

/// Starts servers.
#[derive(Debug)]
pub struct Server;

/// A server that runs. It goes on until [`Running::shutdown`], or until it is dropped.
pub struct Running {
    local_addr: SocketAddr,
    fingerprint: Fingerprint,
    drain_timeout: Duration,
    stopping: CancellationToken,
    fault: CancellationToken,
    tasks: TaskTracker,
    writer: Option<Ended>,
}

impl Server {
    /// Starts a server and returns when it takes connections.
    ///
    /// # Errors
    /// When the port, the data directory or the certificate cannot be used. Nothing is left running then.
    pub async fn start(options: Options) -> Result<Running, StartError> {
        let listeners = bind(&options).await?;
        let certificate = certificate(&options)?;
        let directory = Directory::new(&options.data);
        let store = open_store(&directory)?;
        let store = Arc::new(store);
        let epoch = store
            .metadata
            .read(|records| records.epoch())
            .map_err(StartError::store(&options.data))?;
        let tls = common::tls::server_config(&certificate).map_err(|e| StartError::System(e.into()))?;
        let fault = CancellationToken::new();
        let (writer, ended) =
            Writer::start(store.clone(), fault.clone()).map_err(|e| StartError::System(e.into()))?;
        let stopping = CancellationToken::new();
        let n_cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let house = Arc::new(House {
            store,
            epoch,
            writer,
            feeds: Feeds::default(),
            gate: Gate::new(options.limits),
            limits: options.limits,
            is_closed: options.closed,
            acceptor: TlsAcceptor::from(Arc::new(tls)),
            stopping: stopping.clone(),
            blocking: Semaphore::new(n_cores + 2),
            trees: Arc::new(Semaphore::new(TREES_MAX)),
        });
        let tasks = TaskTracker::new();
        let bound = listeners.first().and_then(|listener| listener.local_addr().ok());
        let local_addr = bound.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 0).into());
        for listener in listeners {
            tasks.spawn(listen(house.clone(), listener, tasks.clone()));
        }
        tasks.spawn(crate::watch::watch_others(house, LOOK_INTERVAL));
        Ok(Running {
            local_addr: reachable(local_addr),
            fingerprint: certificate.fingerprint(),
            drain_timeout: options.limits.drain_timeout,
            stopping,
            fault,
            tasks,
            writer: Some(ended),
        })
    }
}

impl Running {
    /// Returns an address at which this computer reaches the server.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Returns the fingerprint of the server's key, by which devices know it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Waits until the server can no longer do its work, and says why; that the log says more.
    pub async fn failed(&self) -> Trouble {
        self.fault.cancelled().await;
        Trouble::new(
            "the disk did not keep what the server wrote to it; the log above says which file and why",
            "the server stopped at once, and confirmed nothing that may be lost",
            "check the disk and its free space, then start the server again; it looks at what is there first",
        )
    }

    /// Stops the server: all that it has taken on is finished, or told to nobody.
    pub async fn shutdown(mut self) {
        self.stopping.cancel();
        self.tasks.close();
        if timeout(self.drain_timeout, self.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time; they are left behind");
        }
        if let Some(writer) = self.writer.take()
            && timeout(self.drain_timeout, writer.wait()).await.is_err()
        {
            tracing::warn!("the writer did not end in time");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

async fn bind(options: &Options) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut first_error = None;
    for mut address in options.listen.addresses() {
        if let Some(bound) = listeners.first().and_then(|listener| listener.local_addr().ok()) {
            address.set_port(bound.port());
        }
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            Err(source) => {
                let in_use = source.kind() == std::io::ErrorKind::AddrInUse;
                first_error.get_or_insert(StartError::Listen { address, source });
                // One that is in use is not made good by the other kind of address.
                if in_use {
                    break;
                }
            }
        }
    }
    match first_error {
        Some(error) if listeners.is_empty() => Err(error),
        Some(_) | None => Ok(listeners),
    }
}

/// Returns an address at which this computer reaches a listener on all addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        (Ipv4Addr::LOCALHOST, address.port()).into()
    } else {
        address
    }
}

fn certificate(options: &Options) -> Result<Certificate, StartError> {
    let files = CertificateFiles::of_server(&options.certs);
    Certificate::open_or_create(&files, &Certificate::local_names()).map_err(|source| {
        StartError::Certificate {
            path: options.certs.clone(),
            source: Box::new(source),
        }
    })
}

fn open_store(directory: &Directory) -> Result<Store, StartError> {
    let path = directory.path();
    directory.make().map_err(StartError::store(path))?;
    let lock = directory.lock().map_err(StartError::store(path))?;
    let lock = lock.ok_or_else(|| StartError::InUse {
        path: path.to_owned(),
    })?;
    Store::open(directory, lock).map_err(StartError::store(path))
}
