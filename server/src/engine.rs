//! A server without its door: the store, the writer and the sessions of devices, whatever carries their connections.
//! The listener brings it connections from the network; a simulation brings others.

use common::fingerprint::Fingerprint;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::connection::{report, serve};
use crate::feed::Feeds;
use crate::gate::Gate;
use crate::house::House;
use crate::options::Options;
use crate::room::Room;
use crate::slots::Slots;
use crate::store::{Metadata, Store};
use crate::trouble::{StartError, Trouble};
use crate::writer::{Ended, Writer};

/// See the module's page. When it is dropped, its sessions end as soon as they notice.
pub struct Engine {
    house: Arc<House>,
    tasks: TaskTracker,
    drain_timeout: Duration,
    stopping: DropGuard,
    fault: CancellationToken,
    writer: Ended,
}

impl Engine {
    /// Begins to serve a store. Where it lies is already decided, so of the options only the others count.
    ///
    /// # Errors
    /// When the store cannot be read, or the system has no thread to give.
    pub fn start(store: Store, options: &Options) -> Result<Self, StartError> {
        let store = Arc::new(store);
        let epoch = store
            .metadata
            .read(|records| records.epoch())
            .map_err(StartError::store(&options.data))?;
        let fault = CancellationToken::new();
        let (writer, ended) =
            Writer::start(store.clone(), fault.clone()).map_err(|e| StartError::System(e.into()))?;
        let stopping = CancellationToken::new();
        let n_cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let house = House {
            store,
            epoch,
            writer,
            feeds: Feeds::default(),
            gate: Gate::new(options.limits),
            limits: options.limits,
            is_closed: options.closed,
            stopping: stopping.clone(),
            slots: Slots::new(n_cores + 2),
            room: Room::of_server(),
        };
        Ok(Self {
            house: Arc::new(house),
            tasks: TaskTracker::new(),
            drain_timeout: options.limits.drain_timeout,
            stopping: stopping.drop_guard(),
            fault,
            writer: ended,
        })
    }

    /// Returns the store that it serves, for those who look after it meanwhile.
    #[must_use]
    pub fn store(&self) -> Arc<Store> {
        self.house.store.clone()
    }

    /// Returns what all connections share.
    pub(crate) fn house(&self) -> &Arc<House> {
        &self.house
    }

    /// Returns what knows the tasks that end before the server has ended.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Returns what serves a connection until either side ends it. That the other side has `key`, and calls from
    /// `address`, is already known.
    pub fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static,
        key: Fingerprint,
        address: IpAddr,
    ) -> impl Future<Output = ()> + Send + 'static {
        let house = self.house.clone();
        self.tasks.track_future(async move {
            let Some(stranger) = house.gate.enter(address) else {
                return;
            };
            let served = Box::pin(serve(house.clone(), stream, key, stranger)).await;
            report(&house.gate, served);
        })
    }

    /// Returns what is cancelled when the server can no longer do its work.
    #[must_use]
    pub fn fault(&self) -> CancellationToken {
        self.fault.clone()
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

    /// Ends the server: all that it has taken on is finished, or told to nobody.
    pub async fn finish(self) {
        drop(self.stopping);
        self.tasks.close();
        if timeout(self.drain_timeout, self.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time; they are left behind");
        }
        drop(self.house);
        if timeout(self.drain_timeout, self.writer.wait()).await.is_err() {
            tracing::warn!("the writer did not end in time");
        }
    }
}
