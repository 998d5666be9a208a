//! A server from its start to its end. Start: the data directory is taken, the store brought in order, the certificate
//! read or made, the ports opened. End: no more connections are taken, those that are there get a moment to end, the
//! writer finishes what it has, and the directory is given back.

use common::apart::{Apart, ways_to};
use common::fingerprint::Fingerprint;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

use crate::door::Door;
use crate::engine::Engine;
use crate::listener::listen;
use crate::options::Options;
use crate::store::Store;
use crate::trouble::{StartError, Trouble};

/// How often the server looks whether another process has changed the store.
const LOOK_INTERVAL: Duration = Duration::from_millis(300);
/// How often the server looks whether its key was rotated.
const KEY_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Starts servers.
#[derive(Debug)]
pub struct Server;

/// A server that runs. It goes on until [`Running::shutdown`], or until it is dropped.
pub struct Running {
    local_addr: SocketAddr,
    fingerprint: Fingerprint,
    engine: Engine,
}

impl Server {
    /// Starts a server and returns when it takes connections.
    ///
    /// # Errors
    /// When the port, the data directory or the certificate cannot be used. Nothing is left running then.
    pub async fn start(options: Options) -> Result<Running, StartError> {
        [&options.data, &options.certs]
            .into_iter()
            .try_for_each(|dir| check_apart(dir))?;
        let listeners = bind(&options).await?;
        let door = Arc::new(Door::open(&options.certs)?);
        let fingerprint = door.fingerprint();
        let store = Store::open(&options.data)?;
        let engine = Engine::start(store, &options)?;
        let (house, tasks) = (engine.house(), engine.tasks());
        let bound = listeners.first().and_then(|listener| listener.local_addr().ok());
        let local_addr = bound.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 0).into());
        for listener in listeners {
            tasks.spawn(listen(house.clone(), door.clone(), listener, tasks.clone()));
        }
        tasks.spawn(crate::watch::watch_others(house.clone(), LOOK_INTERVAL));
        tasks.spawn(crate::door::watch_key(house.clone(), door, KEY_LOOK_INTERVAL));
        Ok(Running {
            local_addr: reachable(local_addr),
            fingerprint,
            engine,
        })
    }
}

/// Refuses a directory for the store or the key in a folder that a client synchronises.
fn check_apart(dir: &Path) -> Result<(), StartError> {
    // A path that cannot be followed is for whoever opens it to tell.
    let ways = ways_to(dir).unwrap_or_default();
    let is_folder = |apart| apart == Apart::Folder;
    match ways.iter().find_map(|way| Apart::above(way, is_folder)) {
        None => Ok(()),
        Some((_, folder)) => Err(StartError::InFolder {
            path: dir.to_owned(),
            folder,
        }),
    }
}

impl Running {
    /// Returns an address at which this computer reaches the server.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Returns the fingerprint of the key that the server started with, by which devices know it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Waits until the server can no longer do its work, and says why; that the log says more.
    pub async fn failed(&self) -> Trouble {
        self.engine.failed().await
    }

    /// Stops the server: all that it has taken on is finished, or told to nobody.
    pub async fn shutdown(self) {
        self.engine.finish().await;
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
