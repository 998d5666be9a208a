//! What all connections share.

use common::message::{Attachment, Failure};
use std::sync::Arc;
use sync_engine::{DeviceId, Epoch, Hash};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::chunk::{Mismatch, Verified, verify};
use crate::connection::ConnectionError;
use crate::feed::Feeds;
use crate::gate::Gate;
use crate::options::Limits;
use crate::store::{AccountKey, Metadata, Records, Store, StoreError};
use crate::writer::Writer;

/// See the module's page.
pub(crate) struct House {
    /// The store, to read from; what is written goes through `writer`.
    pub(crate) store: Arc<Store>,
    /// The store's epoch.
    pub(crate) epoch: Epoch,
    /// The way to the thread that writes.
    pub(crate) writer: Writer,
    /// The accounts with devices connected.
    pub(crate) feeds: Feeds,
    /// Who may try to come in.
    pub(crate) gate: Gate,
    /// The limits of this server.
    pub(crate) limits: Limits,
    /// Whether no new accounts are taken.
    pub(crate) is_closed: bool,
    /// Cancelled when the server stops.
    pub(crate) stopping: CancellationToken,
    /// Bounds how many threads hash, decode and read at a time.
    pub(crate) blocking: Semaphore,
    /// Bounds how many trees are read out at a time, each at the pace of the device that takes it.
    pub(crate) trees: Arc<Semaphore>,
}

impl House {
    /// Runs work that blocks on a thread of its own, when there is one free.
    pub(crate) async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ConnectionError> {
        let _permit = self
            .blocking
            .acquire()
            .await
            .map_err(|_| ConnectionError::BrokenOff)?;
        Ok(common::offload::run(work).await)
    }

    /// Reads records on a blocking thread.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Records) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ConnectionError> {
        let store = self.store.clone();
        Ok(self.block(move || store.metadata.read(work)).await??)
    }

    /// Verifies chunks on a blocking thread.
    pub(crate) async fn verify(
        &self,
        attachments: Vec<Attachment>,
    ) -> Result<Vec<Result<Verified, Mismatch>>, ConnectionError> {
        if attachments.is_empty() {
            return Ok(Vec::new());
        }
        self.block(move || attachments.into_iter().map(verify).collect())
            .await
    }

    /// Tells whether a device is shut out.
    pub(crate) async fn is_revoked(
        &self,
        account: AccountKey,
        device: DeviceId,
    ) -> Result<bool, ConnectionError> {
        self.read(move |records| {
            let devices = records.devices(account)?;
            Ok(devices.iter().any(|row| row.id == device && row.revoked))
        })
        .await
    }

    /// Notes that a chunk was found damaged, so that it counts as missing until a device brings it again.
    pub(crate) async fn note_damage(&self, account: AccountKey, hash: Hash) -> Result<(), Failure> {
        tracing::error!(account = account.0, %hash, "a chunk in the store is damaged; it counts as missing now, and a \
            device that has it will send it again; run `server verify` and check the disk");
        self.writer
            .run(move |draft| draft.mark_damaged(account, &hash))
            .await
    }
}
