//! What a power cut does to files that nobody flushed: it is nobody's work. A whole client on a simulated computer, with a
//! second one that must not suffer from it.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use std::sync::Arc;
use std::time::Duration;

use common::entropy;
use tests::sim::client::SimClient;
use tests::sim::disk::{Crash, Options, WatchOptions};
use tests::sim::server::SimServer;
use tui_client::notice::Notice;

const FILE: &str = "home/file";
const PATIENCE: Duration = Duration::from_secs(600);
const N_SEEDS: u64 = 24;

/// Two computers with one account.
struct Pair {
    here: SimClient,
    there: SimClient,
}

impl Pair {
    async fn new(seed: u64) -> Self {
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

    async fn settle(&self) {
        for client in [&self.here, &self.there, &self.here] {
            client.wait_synced(PATIENCE).await.unwrap();
        }
    }

    /// Cuts the power of one computer, and starts its client anew.
    async fn cut_power(&mut self) {
        self.here.kill(Crash::PowerCut);
        let account = self.there.account_id().await;
        self.here.start(account).unwrap();
        self.settle().await;
    }

    fn there(&self) -> Option<Vec<u8>> {
        self.there.disk.read(FILE).ok()
    }
}

/// Runs a story with several seeds, which decide what a power cut leaves.
fn with_seeds(mut story: impl AsyncFnMut(Pair)) {
    for seed in 0..N_SEEDS {
        let _simulated = entropy::simulate(seed);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async { story(Pair::new(seed).await).await });
    }
}

#[test]
fn a_file_whose_name_a_power_cut_took_is_brought_back_and_deleted_nowhere() {
    let mut n_lost = 0;
    with_seeds(async |mut pair| {
        pair.here.disk.write(FILE, "bytes").unwrap();
        pair.settle().await;
        pair.here.kill(Crash::PowerCut);
        n_lost += usize::from(pair.here.disk.read(FILE).is_err());
        pair.cut_power().await;
        assert!(pair.there().is_some());
        assert_eq!(pair.here.disk.read(FILE).ok(), pair.there());
    });
    assert!(0 < n_lost, "no power cut took the name");
}

#[test]
fn old_bytes_under_new_stamps_are_found_after_a_power_cut_and_are_no_edit() {
    let mut n_spoiled = 0;
    with_seeds(async |mut pair| {
        pair.here.disk.write(FILE, "old bytes").unwrap();
        pair.settle().await;
        pair.here.disk.sync().unwrap();
        pair.here.disk.write(FILE, "new bytes").unwrap();
        pair.settle().await;
        pair.cut_power().await;
        let is_told =
            |notice: &Notice| matches!(notice, Notice::Error(trouble) if trouble.what.contains("stopped"));
        if pair.here.heard().iter().any(is_told) {
            n_spoiled += 1;
            assert_eq!(pair.there().unwrap(), b"new bytes");
        }
        assert_eq!(pair.here.disk.read(FILE).ok(), pair.there());
    });
    assert!(0 < n_spoiled, "no power cut spoiled the file");
}
