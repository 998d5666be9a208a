//! One connection, whatever carries it, from its first message to its last: who is calling, and then its session. Until a device is
//! admitted there is a deadline for each step as a whole, frames are short, and the answer to whoever is not admitted
//! is always the same.

mod frames;
mod outbox;
mod questions;
mod session;

use common::fingerprint::Fingerprint;
use common::identity::AccountId;
use common::limits::PROTOCOL_VERSION;
use common::message::{Auth, Hello, Refusal, Reply, Request, Role, Welcome};
use std::net::IpAddr;
use std::sync::Arc;
use sync_engine::DeviceId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use self::frames::{FrameReader, FrameWriter, divide};
use crate::gate::{Gate, Stranger};
use crate::house::House;
use crate::writer::{Admitted, Caller, admit_device};

/// Why a connection came to its end before the other side wanted it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// The other side did not do its part of a step in time.
    #[error("{0} took too long")]
    TooSlow(&'static str),
    /// TLS was not agreed.
    #[error("no agreement on TLS")]
    Tls(#[source] std::io::Error),
    /// The other side showed no certificate, or speaks another protocol.
    #[error("the other side is not known by a key")]
    NoKey(#[from] common::tls::PeerError),
    /// What came is not a frame, or the connection broke.
    #[error("the connection broke or brought something that is no frame")]
    Frame(#[from] common::codec::CodecError),
    /// A message came that may not come here.
    #[error("{0} came where it may not")]
    OutOfTurn(&'static str),
    /// The store could not be read.
    #[error("the store could not be read")]
    Store(#[from] crate::store::StoreError),
    /// The system has no random numbers.
    #[error("the system gave no random numbers: {0}")]
    Random(common::entropy::Error),
    /// The caller was not admitted.
    #[error("not admitted: {0}")]
    Refused(Refusal),
    /// The server is stopping, or the work was broken off.
    #[error("the work was broken off")]
    BrokenOff,
}

/// Says in the log how a connection ended. Whoever connects can cause such a line, so there are only so many in a time.
pub(crate) fn report(gate: &Gate, result: Result<(), ConnectionError>) {
    match result {
        Ok(()) => tracing::debug!("ended"),
        Err(error @ ConnectionError::Store(_)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "ended");
        }
        Err(error) => {
            if let Some(n_unsaid) = gate.lines.may_say() {
                tracing::info!(error = &error as &dyn std::error::Error, n_unsaid, "ended");
            }
        }
    }
}

/// Takes a step with a caller who is not known yet, as long as the caller keeps its place and the server goes on.
pub(crate) async fn with_stranger<T>(
    house: &House,
    stranger: &Stranger,
    step: impl Future<Output = Result<T, ConnectionError>>,
) -> Result<T, ConnectionError> {
    tokio::select! {
        biased;
        () = stranger.cut().cancelled() => Err(ConnectionError::TooSlow("the introduction")),
        () = house.stopping.cancelled() => Err(ConnectionError::BrokenOff),
        done = step => done,
    }
}

/// Serves a connection on which the other side has proved its key, until either side ends it.
pub(crate) async fn serve(
    house: Arc<House>,
    stream: impl AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static,
    key: Fingerprint,
    stranger: Stranger,
) -> Result<(), ConnectionError> {
    let (mut reader, mut writer) = divide(stream, house.limits.write_timeout);
    let introduction = introduce(&house, &mut reader, &mut writer, key, stranger.address());
    let (admitted, role) = with_stranger(&house, &stranger, introduction).await?;
    let Some(_place) = house.gate.admit() else {
        return refuse(&mut writer, Refusal::Busy).await;
    };
    let cut = house.stopping.child_token();
    let feed = house.feeds.open(admitted.account);
    let n_max = house.limits.connections_per_account_max;
    let Some(_joined) = feed.join(admitted.device, role, n_max, &cut) else {
        return refuse(&mut writer, Refusal::Busy).await;
    };
    feed.raise(admitted.head);
    // A device may have been revoked between its admission and its entry in the feed.
    if house.is_revoked(admitted.account, admitted.device).await? {
        return refuse(&mut writer, Refusal::NotAdmitted).await;
    }
    drop(stranger);
    reader.admit();
    tracing::info!(account = admitted.account.0, device = %admitted.device, ?role, "connected");
    writer.send(welcome(&house, &admitted)).await?;
    let who = session::Who {
        feed,
        device: admitted.device,
        role,
    };
    session::run(house, who, reader, writer, cut).await
}

/// Learns who is calling.
async fn introduce(
    house: &House,
    reader: &mut FrameReader,
    writer: &mut FrameWriter,
    key: Fingerprint,
    address: IpAddr,
) -> Result<(Admitted, Role), ConnectionError> {
    let hello = timeout(house.limits.hello_timeout, read_hello(reader)).await;
    let hello = match hello.map_err(|_| ConnectionError::TooSlow("the first message"))? {
        Ok(hello) => hello,
        Err(error) => {
            // Why it ended is already known.
            let _ = refuse(writer, Refusal::Malformed).await;
            return Err(error);
        }
    };
    let role = hello.role;
    match admit(house, address, key, hello).await? {
        Ok(admitted) => Ok((admitted, role)),
        Err(refusal) => {
            refuse(writer, refusal).await?;
            Err(ConnectionError::Refused(refusal))
        }
    }
}

async fn read_hello(reader: &mut FrameReader) -> Result<Hello, ConnectionError> {
    let Some(frame) = reader.next().await? else {
        return Err(ConnectionError::BrokenOff);
    };
    match frame.message {
        Request::Hello(hello) => Ok(hello),
        _ => Err(ConnectionError::OutOfTurn("something else than a hello")),
    }
}

async fn admit(
    house: &House,
    address: IpAddr,
    key: Fingerprint,
    hello: Hello,
) -> Result<Result<Admitted, Refusal>, ConnectionError> {
    if hello.protocol != PROTOCOL_VERSION {
        return Ok(Err(Refusal::Protocol {
            min: PROTOCOL_VERSION,
            max: PROTOCOL_VERSION,
        }));
    }
    // A key cannot be guessed, so devices that have one are let in however much their neighbours fail.
    let may_try = match &hello.auth {
        Auth::Device | Auth::LastBegun => true,
        Auth::Register { .. } => house.gate.may_try(address, true),
        Auth::Enrol { .. } => house.gate.may_try(address, false),
    };
    if !may_try {
        return Ok(Err(Refusal::Busy));
    }
    let mut new_device = [0; 16];
    common::entropy::fill(&mut new_device).map_err(ConnectionError::Random)?;
    let new_id = AccountId::generate().map_err(ConnectionError::Random)?;
    let caller = Caller {
        key: key.0,
        hello,
        new_device: DeviceId(new_device),
        new_id,
    };
    let (is_closed, enrolments) = (house.is_closed, house.gate.enrolments.clone());
    let answer = house
        .writer
        .run(None, move |draft| {
            admit_device(draft, &caller, is_closed, &enrolments)
        })
        .await;
    match answer {
        Ok(Err(refusal)) => {
            if refusal == Refusal::NotAdmitted {
                house.gate.failed(address);
            }
            Ok(Err(refusal))
        }
        Ok(Ok(admitted)) => Ok(Ok(admitted)),
        // The disk is full or the store cannot be written: the device may come again.
        Err(_) => Ok(Err(Refusal::Busy)),
    }
}

fn welcome(house: &House, admitted: &Admitted) -> Reply {
    Reply::Welcome(Welcome {
        agent: concat!("holdfast-server/", env!("CARGO_PKG_VERSION")).to_owned(),
        id: admitted.id.clone(),
        device: admitted.device,
        device_name: admitted.device_name.clone(),
        epoch: house.epoch,
        head: admitted.head,
    })
}

/// Tells a caller why it is not admitted, and ends.
async fn refuse(writer: &mut FrameWriter, refusal: Refusal) -> Result<(), ConnectionError> {
    writer.send(Reply::Refused(refusal)).await?;
    writer.finish().await;
    Err(ConnectionError::Refused(refusal))
}
