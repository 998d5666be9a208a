//! Taking connections. Law: the task ends only when the server stops. That no file descriptor is free, or that one
//! connection fails, is no reason; it waits a moment and goes on. Each connection is a task of its own, which the
//! tracker knows, and nothing that happens in it reaches another.

use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::connection::{self, ConnectionError};
use crate::house::House;

/// The pause after a connection could not be taken.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes connections until the server stops.
pub(crate) async fn listen(house: Arc<House>, listener: TcpListener, connections: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            () = house.stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                let ip = address.ip().to_canonical();
                let span = tracing::info_span!("connection", %ip, port = address.port());
                let Some((permit, stranger)) = house.gate.enter(ip) else {
                    tracing::warn!(%ip, "a connection was turned away: there are too many");
                    continue;
                };
                let house = house.clone();
                let connection = async move {
                    let _permit = permit;
                    report(Box::pin(connection::serve(house, stream, stranger)).await);
                };
                connections.spawn(connection.instrument(span));
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a connection could not be taken; the server goes on in a moment"
                );
                tokio::select! {
                    () = house.stopping.cancelled() => return,
                    () = tokio::time::sleep(PAUSE) => (),
                }
            }
        }
    }
}

fn report(result: Result<(), ConnectionError>) {
    match result {
        Ok(()) => tracing::debug!("ended"),
        Err(error @ ConnectionError::Store(_)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "ended");
        }
        Err(error) => tracing::info!(error = &error as &dyn std::error::Error, "ended"),
    }
}
