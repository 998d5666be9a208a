//! The bulk connection of a session: questions and chunks, answered in the order asked. It is made at the first order,
//! so a session that only ever moves small contents never has one. When it is lost, every order that waits fails; who
//! gave the order decides whether to repeat it, which is always harmless.

use std::collections::VecDeque;

use common::message::{Attachment, Reply, Request};
use sync_engine::Hash;
use tokio::sync::{mpsc, oneshot};

use super::connect::{ConnectError, Endpoint, Introduction, connect};
use super::line::{Line, PING_UNASKED};

/// How many orders wait to be sent at most.
const ORDERS_WAITING_MAX: usize = 16;

/// Why an order was not carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BulkError {
    /// The connection was lost, or the session is over.
    #[error("the bulk connection was lost")]
    Lost,
    /// The server's disk is full.
    #[error("the server's disk is full")]
    ServerFull,
    /// The account has as many bytes on the server as it may have.
    #[error("the account's quota on the server is used up")]
    Quota,
    /// The server could not do it.
    #[error("the server failed: {0}")]
    Failed(String),
}

/// A handle on the bulk connection. Cheap to clone.
#[derive(Clone)]
pub struct Bulk {
    orders: mpsc::Sender<Order>,
}

/// What was asked for.
#[derive(Debug, Default)]
pub struct Got {
    /// The chunks that came.
    pub attachments: Vec<Attachment>,
    /// Those that the server does not have whole.
    pub missing: Vec<Hash>,
}

impl Got {
    /// Counts what came, and what was said not to be there.
    fn len(&self) -> usize {
        self.attachments.len() + self.missing.len()
    }
}

struct Order {
    deed: Deed,
    attachments: Vec<Attachment>,
    reply: oneshot::Sender<Result<Got, BulkError>>,
}

enum Deed {
    Have(Vec<Hash>),
    Put,
    Get(Vec<Hash>),
}

impl Bulk {
    /// Starts the task that will connect when it is needed. It ends when all handles are dropped.
    #[must_use]
    pub fn start(endpoint: Endpoint, introduction: Introduction) -> Self {
        let (orders, waiting) = mpsc::channel(ORDERS_WAITING_MAX);
        tokio::spawn(run(endpoint, introduction, waiting));
        Self { orders }
    }

    /// Returns those of the hashes that the account lacks.
    ///
    /// # Errors
    /// When the connection is lost or the server fails.
    pub async fn have(&self, hashes: Vec<Hash>) -> Result<Vec<Hash>, BulkError> {
        self.order(Deed::Have(hashes), Vec::new())
            .await
            .map(|got| got.missing)
    }

    /// Brings chunks; returns the lists that were not taken.
    ///
    /// # Errors
    /// When the connection is lost or the server fails.
    pub async fn put(&self, attachments: Vec<Attachment>) -> Result<Vec<Hash>, BulkError> {
        self.order(Deed::Put, attachments).await.map(|got| got.missing)
    }

    /// Fetches chunks and lists.
    ///
    /// # Errors
    /// When the connection is lost or the server fails.
    pub async fn get(&self, hashes: Vec<Hash>) -> Result<Got, BulkError> {
        self.order(Deed::Get(hashes), Vec::new()).await
    }

    async fn order(&self, deed: Deed, attachments: Vec<Attachment>) -> Result<Got, BulkError> {
        let (reply, answer) = oneshot::channel();
        self.orders
            .send(Order {
                deed,
                attachments,
                reply,
            })
            .await
            .map_err(|_| BulkError::Lost)?;
        answer.await.map_err(|_| BulkError::Lost)?
    }
}

async fn run(endpoint: Endpoint, introduction: Introduction, mut orders: mpsc::Receiver<Order>) {
    while let Some(first) = orders.recv().await {
        match connect(&endpoint, &introduction).await {
            Ok((line, _)) => session(line, first, &mut orders).await,
            Err(error) => fail(first, &error),
        }
    }
}

fn fail(order: Order, error: &ConnectError) {
    tracing::info!(%error, "no bulk connection");
    // Who ordered may have gone; nothing is lost by that.
    let _ = order.reply.send(Err(BulkError::Lost));
}

/// An order that was sent and not yet answered in full.
struct Waiting {
    request: u64,
    /// How many hashes and chunks an answer can bring: what was asked for, each once.
    n_asked: usize,
    got: Got,
    reply: oneshot::Sender<Result<Got, BulkError>>,
}

/// Serves orders until the line is lost or nobody can give any more.
async fn session(mut line: Line, first: Order, orders: &mut mpsc::Receiver<Order>) {
    let mut waiting: VecDeque<Waiting> = VecDeque::new();
    let mut number = 0;
    if send(&line, &mut waiting, &mut number, first).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            biased;
            frame = line.incoming.recv() => match frame {
                Some(frame) => if answer(&mut waiting, frame.message, frame.attachments).is_err() { return },
                None => return,
            },
            order = orders.recv() => match order {
                Some(order) => if send(&line, &mut waiting, &mut number, order).await.is_err() { return },
                None => return,
            },
        }
    }
}

async fn send(
    line: &Line,
    waiting: &mut VecDeque<Waiting>,
    number: &mut u64,
    order: Order,
) -> Result<(), ()> {
    *number += 1;
    let request = *number;
    let n_asked = match &order.deed {
        Deed::Have(hashes) | Deed::Get(hashes) => hashes.len(),
        Deed::Put => order.attachments.len(),
    };
    let message = match order.deed {
        Deed::Have(hashes) => Request::Have { request, hashes },
        Deed::Put => Request::Put { request },
        Deed::Get(hashes) => Request::Get { request, hashes },
    };
    waiting.push_back(Waiting {
        request,
        n_asked,
        got: Got::default(),
        reply: order.reply,
    });
    line.outgoing
        .send((message, order.attachments))
        .await
        .map_err(|_| ())
}

/// Gives an answer to the order that has waited longest; anything else breaks the protocol's law of order.
fn answer(waiting: &mut VecDeque<Waiting>, reply: Reply, attachments: Vec<Attachment>) -> Result<(), ()> {
    if matches!(
        reply,
        Reply::Pong {
            request: PING_UNASKED,
            ..
        }
    ) {
        return Ok(());
    }
    let mut oldest = waiting.pop_front().ok_or(())?;
    let n_before = oldest.got.len();
    let (request, done) = match reply {
        Reply::Missing { request, hashes }
        | Reply::Stored {
            request,
            incomplete: hashes,
        } => {
            oldest.got.missing = hashes;
            (request, Some(Ok(())))
        }
        Reply::Chunks {
            request,
            missing,
            last,
        } => {
            oldest.got.missing.extend(missing);
            oldest.got.attachments.extend(attachments);
            (request, last.then_some(Ok(())))
        }
        Reply::Failed {
            request,
            failure: common::message::Failure::ServerFull,
        } => (request, Some(Err(BulkError::ServerFull))),
        Reply::Failed {
            request,
            failure: common::message::Failure::Limit,
        } => (request, Some(Err(BulkError::Quota))),
        Reply::Failed { request, failure } => (request, Some(Err(BulkError::Failed(failure.to_string())))),
        other => {
            tracing::warn!(?other, "an answer that belongs to no order");
            return Err(());
        }
    };
    if request != oldest.request {
        tracing::warn!(request, expected = oldest.request, "an answer out of order");
        return Err(());
    }
    let n_now = oldest.got.len();
    if oldest.n_asked < n_now || (done.is_none() && n_now == n_before) {
        tracing::warn!("an answer that brings more than was asked for, or goes on and brings nothing");
        return Err(());
    }
    match done {
        None => waiting.push_front(oldest),
        // Who ordered may have gone; nothing is lost by that.
        Some(outcome) => drop(oldest.reply.send(outcome.map(|()| oldest.got))),
    }
    Ok(())
}
