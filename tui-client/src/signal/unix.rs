//! Signals of Unix: SIGINT, SIGTERM and SIGHUP end the program in good order.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from the moment that it is made.
pub struct Signals {
    listening: Vec<Signal>,
}

impl Signals {
    /// Begins to listen. A signal that cannot be listened to keeps its usual effect.
    #[must_use]
    pub fn listen() -> Self {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        Self {
            listening: kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect(),
        }
    }

    /// Waits for the first signal.
    pub async fn recv(&mut self) {
        std::future::poll_fn(|context| {
            let any = self
                .listening
                .iter_mut()
                .any(|signal| signal.poll_recv(context).is_ready());
            if any {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    }
}
