//! Two simulated computers with one account, for stories of what befalls one of them.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use std::sync::Arc;
use std::time::Duration;

use common::entropy;
use tests::sim::client::SimClient;
use tests::sim::disk::{Crash, Options, WatchOptions};
use tests::sim::server::SimServer;

/// The file that the stories are about.
pub(crate) const FILE: &str = "home/file";
const PATIENCE: Duration = Duration::from_secs(600);

/// Two computers with one account.
pub(crate) struct Pair {
    pub(crate) here: SimClient,
    pub(crate) there: SimClient,
}

impl Pair {
    /// Starts both, with empty folders.
    pub(crate) async fn new(seed: u64) -> Self {
        let server = Arc::new(SimServer::new(seed));
        server.start().unwrap();
        let client = |number| {
            let (options, watch) = (Options::new(seed), WatchOptions::default());
            SimClient::new(number, server.clone(), options, watch, seed).unwrap()
        };
        let mut pair = Self {
            here: client(0),
            there: client(1),
        };
        pair.here.start(None).unwrap();
        pair.here.wait_synced(PATIENCE).await.unwrap();
        let account = pair.here.account_id().await;
        pair.there.start(account).unwrap();
        pair.settle().await;
        pair
    }

    /// Waits until both are synced.
    pub(crate) async fn settle(&self) {
        for client in [&self.here, &self.there, &self.here] {
            client.wait_synced(PATIENCE).await.unwrap();
        }
    }

    /// Cuts the power of one computer, and starts its client anew.
    pub(crate) async fn cut_power(&mut self) {
        self.here.kill(Crash::PowerCut);
        let account = self.there.account_id().await;
        self.here.start(account).unwrap();
        self.settle().await;
    }

    /// Returns what the second computer has of the file.
    pub(crate) fn there(&self) -> Option<Vec<u8>> {
        self.there.disk.read(FILE).ok()
    }
}

/// Runs a story with several seeds, which decide what chance does.
pub(crate) fn with_seeds(n_seeds: u64, mut story: impl AsyncFnMut(Pair)) {
    for seed in 0..n_seeds {
        let _simulated = entropy::simulate(seed);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async { story(Pair::new(seed).await).await });
    }
}
