//! Taking connections from the network. Law: the task ends only when the server stops. That no file descriptor is
//! free, or that one connection fails, is no reason; it waits a moment and goes on. Each connection is a task of its
//! own, which the tracker knows, and nothing that happens in it reaches another.

use common::fingerprint::Fingerprint;
use common::tls::peer_fingerprint;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::connection::{ConnectionError, report, serve, with_stranger};
use crate::door::Door;
use crate::gate::Stranger;
use crate::house::House;

/// The pause after a connection could not be taken.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes connections until the server stops.
pub(crate) async fn listen(
    house: Arc<House>,
    door: Arc<Door>,
    listener: TcpListener,
    connections: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = house.stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                let ip = address.ip().to_canonical();
                let span = tracing::info_span!("connection", %ip, port = address.port());
                let Some(stranger) = house.gate.enter(ip) else {
                    if let Some(n_unsaid) = house.gate.lines.may_say() {
                        tracing::warn!(%ip, n_unsaid, "a connection was turned away: there are too many");
                    }
                    continue;
                };
                let (house, acceptor) = (house.clone(), door.acceptor());
                let connection = async move {
                    let taken = Box::pin(take(house.clone(), acceptor, stream, stranger)).await;
                    report(&house.gate, taken);
                };
                connections.spawn(connection.instrument(span));
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a connection could not be taken; the server goes on in a moment"
                );
                tokio::select! {
                    biased;
                    () = house.stopping.cancelled() => return,
                    () = tokio::time::sleep(PAUSE) => (),
                }
            }
        }
    }
}

/// Agrees on TLS, and serves who has proved a key.
async fn take(
    house: Arc<House>,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    stranger: Stranger,
) -> Result<(), ConnectionError> {
    let handshake = agree(&acceptor, stream, house.limits.handshake_timeout);
    let (stream, key) = with_stranger(&house, &stranger, handshake).await?;
    serve(house, stream, key, stranger).await
}

/// Agrees on TLS, and returns the key that the other side has proved.
async fn agree(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    handshake_timeout: Duration,
) -> Result<(TlsStream<TcpStream>, Fingerprint), ConnectionError> {
    // Small messages are answers that somebody waits for; if it cannot be set, they only come later.
    let _ = stream.set_nodelay(true);
    let stream = timeout(handshake_timeout, acceptor.accept(stream))
        .await
        .map_err(|_| ConnectionError::TooSlow("the handshake"))?
        .map_err(ConnectionError::Tls)?;
    let key = peer_fingerprint(stream.get_ref().1)?;
    Ok((stream, key))
}
