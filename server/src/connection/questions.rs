//! Everything that a device may ask when it is admitted, and that is answered when its turn comes.

use bytes::Bytes;
use common::identity::AccountId;
use common::limits::FRAME_LEN_AIM;
use common::message::{At, Attachment, AttachmentHead, Device, Failure, Reply, Request, RequestId, Traced};
use std::collections::HashSet;
use sync_engine::{DeviceId, Hash, NodeId, Point, RelPath, Version};

use super::ConnectionError;
use super::outbox::Outbox;
use crate::chunk;
use crate::device_name;
use crate::house::TURN_LEN_MAX;
use crate::past;
use crate::reading::{Part, past_tree, tree_part};
use crate::store::{AccountKey, Blobs, ChunkRow, Metadata, Records, Store, StoreError};

/// Entries in one page of a history.
const PAGE_MAX: usize = 256;

impl Outbox {
    /// Answers a question.
    pub(super) async fn question(&mut self, question: Request) -> Result<(), ConnectionError> {
        match question {
            Request::Pull { cursor } => self.pull(cursor).await,
            Request::Have { request, hashes } => self.have(request, hashes).await,
            Request::Get { request, hashes } => self.get(request, &distinct(hashes)).await,
            Request::History { request, id, before } => self.history(request, Some(id), before).await,
            Request::Log { request, before } => self.history(request, None, before).await,
            Request::Browse { request, at } => self.browse(request, at).await,
            Request::Devices { request } => self.devices(request).await,
            Request::RenameDevice {
                request,
                device,
                name,
            } => self.rename(request, device, &name).await,
            Request::RevokeDevice { request, device } => self.revoke(request, device).await,
            Request::ReplaceId { request } => self.replace_id(request).await,
            Request::CheckId { request, hash } => self.check_id(request, hash).await,
            Request::Ping { request } => self.ping(request).await,
            Request::Trace {
                request,
                path,
                before,
            } => self.trace(request, RelPath(path), before).await,
            Request::Recover { request, at, path } => self.recover(request, at, RelPath(path)).await,
            Request::Compare { request, points } => self.compare(request, points).await,
            Request::Hello(_)
            | Request::Commit { .. }
            | Request::CommitGroup { .. }
            | Request::Put { .. } => Err(ConnectionError::OutOfTurn("a message that is no question")),
        }
    }

    fn account(&self) -> AccountKey {
        self.who.feed.account()
    }

    async fn have(&mut self, request: RequestId, hashes: Vec<Hash>) -> Result<(), ConnectionError> {
        let account = self.account();
        let missing = self
            .house
            .read(account, move |records| {
                let mut missing = Vec::new();
                for hash in distinct(hashes) {
                    if records.chunk(account, &hash)?.is_none_or(|row| !row.is_here()) {
                        missing.push(hash);
                    }
                }
                Ok(missing)
            })
            .await?;
        self.writer
            .send(Reply::Missing {
                request,
                hashes: missing,
            })
            .await
    }

    async fn get(&mut self, request: RequestId, hashes: &[Hash]) -> Result<(), ConnectionError> {
        let account = self.account();
        let mut rest = hashes;
        loop {
            let _room = self.rooms.answer().await;
            let asked = rest.to_vec();
            let store = self.house.store.clone();
            let fetched = self
                .house
                .block(Some(account), move || fetch(&store, account, &asked))
                .await?;
            let fetched = match fetched {
                Ok(fetched) => fetched,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "chunks could not be read"
                    );
                    return self.fail(request, Failure::ServerFault).await;
                }
            };
            if !fetched.damaged.is_empty() {
                // If it cannot be noted now, the next reader will find it again.
                let _ = self.house.note_damage(account, fetched.damaged).await;
            }
            rest = &rest[fetched.n_done..];
            let last = rest.is_empty();
            let reply = Reply::Chunks {
                request,
                missing: fetched.missing,
                last,
            };
            self.writer.send_with(reply, &fetched.attachments).await?;
            if last {
                return Ok(());
            }
        }
    }

    async fn history(
        &mut self,
        request: RequestId,
        node: Option<NodeId>,
        before: Option<Version>,
    ) -> Result<(), ConnectionError> {
        let account = self.account();
        let before = before.unwrap_or(Version(u64::MAX));
        let _room = self.rooms.answer().await;
        let (entries, more) = self
            .house
            .read(account, move |records| {
                records.log(account, node, before, PAGE_MAX, FRAME_LEN_AIM / 2)
            })
            .await?;
        self.writer
            .send(Reply::History {
                request,
                entries,
                more,
            })
            .await
    }

    async fn trace(
        &mut self,
        request: RequestId,
        path: RelPath,
        before: Option<Version>,
    ) -> Result<(), ConnectionError> {
        let account = self.account();
        let before = before.unwrap_or(Version(u64::MAX));
        let _room = self.rooms.answer().await;
        let (entries, more) = self
            .house
            .read(account, move |records| {
                let (entries, mut more) = past::log(records, account, &path, before, PAGE_MAX)?;
                let mut traced = Vec::new();
                let mut len = 0;
                for entry in entries {
                    let mut next = past::trace(records, account, entry)?;
                    let len_of = |next: &Traced| common::codec::encoded_len(next).unwrap_or(FRAME_LEN_AIM);
                    if FRAME_LEN_AIM / 2 < len_of(&next) {
                        next.paths.clear();
                    }
                    len += len_of(&next);
                    if FRAME_LEN_AIM / 2 < len && !traced.is_empty() {
                        more = true;
                        break;
                    }
                    traced.push(next);
                }
                Ok((traced, more))
            })
            .await?;
        self.writer
            .send(Reply::Traced {
                request,
                entries,
                more,
            })
            .await
    }

    async fn browse(&mut self, request: RequestId, at: At) -> Result<(), ConnectionError> {
        let account = self.account();
        let version = self
            .house
            .read(account, move |records| moment(records, account, at))
            .await?;
        self.give_tree(request, version).await
    }

    async fn recover(&mut self, request: RequestId, at: At, path: RelPath) -> Result<(), ConnectionError> {
        let account = self.account();
        let version = self
            .house
            .read(account, move |records| match moment(records, account, at)? {
                Some(version) => past::before_emptied(records, account, &path, version).map(Some),
                None => Ok(None),
            })
            .await?;
        self.give_tree(request, version).await
    }

    /// Sends the tree as it was after an entry, if there is such an entry.
    async fn give_tree(
        &mut self,
        request: RequestId,
        version: Option<Version>,
    ) -> Result<(), ConnectionError> {
        let Some(version) = version else {
            return self.fail(request, Failure::NotFound).await;
        };
        let tree = past_tree(&self.house, &self.who.feed, version).await?;
        let mut n_read = 0;
        loop {
            let room = self.rooms.answer_now();
            let part = tree_part(&self.house, &tree, &mut n_read, room.is_none()).await;
            let Part { nodes, last } = match part {
                Ok(part) => part,
                Err(ConnectionError::Store(error)) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a tree could not be read"
                    );
                    return self.fail(request, Failure::ServerFault).await;
                }
                Err(error) => return Err(error),
            };
            self.writer
                .send(Reply::Past {
                    request,
                    version,
                    nodes,
                    last,
                })
                .await?;
            if last {
                return Ok(());
            }
        }
    }

    async fn devices(&mut self, request: RequestId) -> Result<(), ConnectionError> {
        let account = self.account();
        let online = self.who.feed.online();
        let rows = self
            .house
            .read(account, move |records| records.devices(account))
            .await?;
        let device = |row: crate::store::DeviceRow| Device {
            online: online.contains(&row.id),
            id: row.id,
            name: row.name,
            enrolled_ms: row.enrolled_ms,
            seen_ms: row.seen_ms,
            revoked: row.revoked,
        };
        let devices = rows.into_iter().map(device).collect();
        self.writer.send(Reply::Devices { request, devices }).await
    }

    async fn rename(
        &mut self,
        request: RequestId,
        device: DeviceId,
        name: &str,
    ) -> Result<(), ConnectionError> {
        let account = self.account();
        let name = name.to_owned();
        let renamed = self.house.writer.run(Some(account), move |draft| {
            let name = device_name::free(&name, device, &draft.devices(account)?);
            draft.rename_device(account, device, &name)
        });
        let renamed = renamed.await;
        match renamed {
            Ok(true) => self.writer.send(Reply::Done { request }).await,
            Ok(false) => self.fail(request, Failure::NotFound).await,
            Err(failure) => self.fail(request, failure).await,
        }
    }

    async fn revoke(&mut self, request: RequestId, device: DeviceId) -> Result<(), ConnectionError> {
        let account = self.account();
        let revoked = self.house.writer.run(Some(account), move |draft| {
            let devices = draft.devices(account)?;
            let others = devices.iter().any(|row| row.id != device && !row.revoked);
            if !devices.iter().any(|row| row.id == device) {
                return Ok(Err(Failure::NotFound));
            }
            if !others {
                return Ok(Err(Failure::LastDevice));
            }
            draft.revoke_device(account, device)?;
            Ok(Ok(()))
        });
        match revoked.await.and_then(|done| done) {
            Ok(()) => {
                self.writer.send(Reply::Done { request }).await?;
                self.who.feed.cut(device);
                Ok(())
            }
            Err(failure) => self.fail(request, failure).await,
        }
    }

    async fn replace_id(&mut self, request: RequestId) -> Result<(), ConnectionError> {
        let account = self.account();
        let id = AccountId::generate().map_err(ConnectionError::Random)?;
        let id_hash = id.hash();
        match self
            .house
            .writer
            .run(Some(account), move |draft| {
                draft.set_account_id(account, &id_hash)
            })
            .await
        {
            Ok(()) => self.writer.send(Reply::NewId { request, id }).await,
            Err(failure) => self.fail(request, failure).await,
        }
    }

    /// An ID of another account is as unknown as any.
    async fn check_id(&mut self, request: RequestId, hash: Hash) -> Result<(), ConnectionError> {
        let account = self.account();
        let is_its = self
            .house
            .read(account, move |records| {
                Ok(records
                    .account_by_id(&hash)?
                    .is_some_and(|row| row.key == account))
            })
            .await?;
        match is_its {
            true => self.writer.send(Reply::Done { request }).await,
            false => self.fail(request, Failure::NotFound).await,
        }
    }

    async fn ping(&mut self, request: RequestId) -> Result<(), ConnectionError> {
        let head = self.who.feed.head();
        self.writer.send(Reply::Pong { request, head }).await
    }

    async fn compare(&mut self, request: RequestId, points: Vec<Point>) -> Result<(), ConnectionError> {
        let account = self.account();
        let newest = self
            .house
            .read(account, move |records| {
                for Point { version, chain } in points {
                    if records.chain(account, version)? == Some(chain) {
                        return Ok(version);
                    }
                }
                Ok(Version::ZERO)
            })
            .await?;
        self.writer.send(Reply::Compared { request, newest }).await
    }

    async fn fail(&mut self, request: RequestId, failure: Failure) -> Result<(), ConnectionError> {
        self.writer.send(Reply::Failed { request, failure }).await
    }
}

/// Returns the entry that a moment names, if there is one.
fn moment(records: &dyn Records, account: AccountKey, at: At) -> Result<Option<Version>, StoreError> {
    let head = records.account(account)?.map_or(Version::ZERO, |row| row.head);
    Ok(match at {
        At::Version(version) if version <= head => Some(version),
        At::Version(_) => None,
        At::TimeMs(time_ms) => Some(records.version_at(account, time_ms)?),
    })
}

/// Returns each hash once, in the order in which they were named first.
fn distinct(mut hashes: Vec<Hash>) -> Vec<Hash> {
    let mut seen = HashSet::with_capacity(hashes.len());
    hashes.retain(|hash| seen.insert(*hash));
    hashes
}

/// Chunks for one frame.
#[derive(Default)]
struct Fetched {
    attachments: Vec<Attachment>,
    missing: Vec<Hash>,
    damaged: Vec<ChunkRow>,
    /// How many of those asked for this answers.
    n_done: usize,
}

/// Reads chunks until a frame is full. Each is verified: what is damaged is not sent.
fn fetch(store: &Store, account: AccountKey, hashes: &[Hash]) -> Result<Fetched, StoreError> {
    store.metadata.read(|records| {
        let mut fetched = Fetched::default();
        let (mut len, mut plain_len) = (0, 0);
        for hash in hashes {
            let row = records.chunk(account, hash)?.filter(ChunkRow::can_be_read);
            let Some(row) = row else {
                fetched.missing.push(*hash);
                fetched.n_done += 1;
                continue;
            };
            len += row.place.stored_len as usize;
            plain_len += row.plain_len as usize;
            let is_full = FRAME_LEN_AIM < len || TURN_LEN_MAX < plain_len;
            if is_full && !fetched.attachments.is_empty() {
                break;
            }
            fetched.n_done += 1;
            match read_whole(store, account, &row)? {
                Some(bytes) => fetched.attachments.push(Attachment {
                    head: head_of(&row),
                    bytes,
                }),
                None => {
                    fetched.missing.push(*hash);
                    fetched.damaged.push(row);
                }
            }
        }
        Ok(fetched)
    })
}

/// Reads a chunk and verifies it; nothing if it is damaged.
fn read_whole(store: &Store, account: AccountKey, row: &ChunkRow) -> Result<Option<Bytes>, StoreError> {
    match store.packs.read(account, &row.hash, row.place) {
        Ok(bytes) => Ok(chunk::is_whole(row, &bytes).then_some(bytes)),
        Err(StoreError::Damaged { .. }) => Ok(None),
        Err(StoreError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn head_of(row: &ChunkRow) -> AttachmentHead {
    AttachmentHead {
        hash: row.hash,
        form: chunk::form_of(row.depth),
        encoding: row.encoding,
        plain_len: row.plain_len,
        sent_len: row.place.stored_len,
    }
}
