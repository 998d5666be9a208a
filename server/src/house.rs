//! What all connections share.

use common::message::Attachment;
use std::collections::HashSet;
use std::sync::Arc;
use sync_engine::{DeviceId, Epoch};
use tokio_util::sync::CancellationToken;

use crate::chunk::{Mismatch, Verified, verify};
use crate::connection::ConnectionError;
use crate::damage::Damage;
use crate::feed::Feeds;
use crate::gate::Gate;
use crate::options::Limits;
use crate::room::Room;
use crate::slots::Slots;
use crate::store::{AccountKey, ChunkRow, Metadata, Records, Store, StoreError};
use crate::writer::Writer;

/// What is decoded and hashed in one turn, in bytes; the last chunk may pass it.
pub(crate) const TURN_LEN_MAX: usize = 8 * 1024 * 1024;

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
    /// Bounds how many threads hash, decode and read at a time, in turns between accounts.
    pub(crate) slots: Arc<Slots>,
    /// Bounds what is held in memory for all connections together.
    pub(crate) room: Room,
}

impl House {
    /// Runs work that blocks on a thread of its own, when it is the account's turn.
    pub(crate) async fn block<T: Send + 'static>(
        &self,
        account: Option<AccountKey>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ConnectionError> {
        let slot = self.slots.take(account).await;
        let _slot = slot.ok_or(ConnectionError::BrokenOff)?;
        Ok(common::offload::run(work).await)
    }

    /// Reads records on a blocking thread.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        account: AccountKey,
        work: impl FnOnce(&dyn Records) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ConnectionError> {
        let store = self.store.clone();
        Ok(self
            .block(Some(account), move || store.metadata.read(work))
            .await??)
    }

    /// Verifies chunks on a blocking thread, so many at a time that others have their turn soon. What comes twice is
    /// verified, and returned, once.
    pub(crate) async fn verify(
        &self,
        account: AccountKey,
        attachments: Vec<Attachment>,
    ) -> Result<Vec<Result<Verified, Mismatch>>, ConnectionError> {
        let mut seen = HashSet::with_capacity(attachments.len());
        let mut rest = attachments
            .into_iter()
            .filter(move |attachment| seen.insert(attachment.head.hash))
            .peekable();
        let mut verified = Vec::new();
        while rest.peek().is_some() {
            let mut len = 0;
            let mut piece = Vec::new();
            while len < TURN_LEN_MAX
                && let Some(next) = rest.next()
            {
                len += next.head.plain_len as usize;
                piece.push(next);
            }
            let verify_all = move || piece.into_iter().map(verify).collect::<Vec<_>>();
            verified.extend(self.block(Some(account), verify_all).await?);
        }
        Ok(verified)
    }

    /// Tells whether a device is shut out.
    pub(crate) async fn is_revoked(
        &self,
        account: AccountKey,
        device: DeviceId,
    ) -> Result<bool, ConnectionError> {
        self.read(account, move |records| {
            let devices = records.devices(account)?;
            Ok(devices.iter().any(|row| row.id == device && row.revoked))
        })
        .await
    }

    /// Notes that chunks were found damaged, so that they count as missing until a device brings them again.
    pub(crate) async fn note_damage(
        &self,
        account: AccountKey,
        rows: Vec<ChunkRow>,
    ) -> Result<(), ConnectionError> {
        for row in &rows {
            tracing::error!(account = account.0, hash = %row.hash, "a chunk in the store is damaged; it counts as \
                missing now, and a device that has it is asked to send it again; run `server verify` and check the disk");
        }
        let store = self.store.clone();
        let find = move || {
            let find = |records: &dyn Records| Damage::find(records, &store.packs, account, rows);
            store.metadata.read(find)
        };
        let damage = self.block(Some(account), find).await??;
        let store = self.store.clone();
        // The writer has said in the log what went wrong, if something did.
        let _ = self
            .writer
            .run(Some(account), move |draft| damage.note(draft, &store.packs))
            .await;
        Ok(())
    }
}
