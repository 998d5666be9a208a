//! Room in memory for what is on its way: for requests from the moment their length is known until they are answered,
//! counted as what they take when they are decoded, and for long answers until they are sent. A connection has a little
//! of its own, so that short messages never wait for anybody; what is beyond that comes out of three rooms, of the
//! connection, of its account and of the server. Who finds no room is not read from until there is.
//!
//! Law: what is held at a time is at most the room of the server and what each connection has of its own; of one account
//! it is at most its room and what its connections have of their own. A request that is longer than the room of a connection
//! takes all of that. Rooms are always asked for in the same order, so nobody waits for who waits for it.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a connection has of its own, in bytes.
pub(crate) const OWN_LEN: usize = 64 * 1024;
/// What the requests of a connection may take beyond that, in bytes.
const CONNECTION_LEN: usize = 8 * 1024 * 1024;
/// What the requests of an account may take, and what its long answers may, in bytes.
const ACCOUNT_LEN: usize = 32 * 1024 * 1024;
/// What the requests of all accounts may take, and what all long answers may, in bytes.
const SERVER_LEN: usize = 256 * 1024 * 1024;
/// A message takes so many times its encoded length when it is decoded, at most: a change of 20 bytes takes about 200,
/// and what becomes of it less than 50.
const UNFOLDED: usize = 12;
/// What a long answer takes, in bytes: a frame, and what it is made of.
pub(crate) const ANSWER_LEN: usize = 2 * 1024 * 1024;

/// Room that several share.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    requests: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

impl Room {
    /// Returns the room of a server.
    pub(crate) fn of_server() -> Self {
        Self::new(SERVER_LEN)
    }

    /// Returns the room of an account.
    pub(crate) fn of_account() -> Self {
        Self::new(ACCOUNT_LEN)
    }

    fn new(len: usize) -> Self {
        Self {
            requests: Arc::new(Semaphore::new(len)),
            answers: Arc::new(Semaphore::new(len)),
        }
    }
}

/// The rooms of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Rooms {
    own: Arc<Semaphore>,
    connection: Arc<Semaphore>,
    account: Room,
    server: Room,
}

/// Room that is held, until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held {
    _permits: Vec<OwnedSemaphorePermit>,
}

/// Returns how much a request takes whose frame and message have these lengths as encoded, in bytes.
pub(crate) fn request_len(frame_len: usize, head_len: usize) -> usize {
    frame_len + UNFOLDED * head_len.min(frame_len)
}

impl Rooms {
    /// Returns the rooms of a connection of an account.
    pub(crate) fn new(account: Room, server: Room) -> Self {
        Self {
            own: Arc::new(Semaphore::new(OWN_LEN)),
            connection: Arc::new(Semaphore::new(CONNECTION_LEN)),
            account,
            server,
        }
    }

    /// Waits until there is room for a request of this length.
    pub(crate) async fn request(&self, len: usize) -> Held {
        let short = u32::try_from(len)
            .ok()
            .and_then(|len| self.own.clone().try_acquire_many_owned(len).ok());
        if let Some(permit) = short {
            return Held {
                _permits: vec![permit],
            };
        }
        let len = len.min(CONNECTION_LEN);
        let mut permits = Vec::with_capacity(3);
        for room in [&self.connection, &self.account.requests, &self.server.requests] {
            permits.extend(wait_for(room, len).await);
        }
        Held { _permits: permits }
    }

    /// Waits until there is room for a long answer.
    pub(crate) async fn answer(&self) -> Held {
        let mut permits = Vec::with_capacity(2);
        for room in [&self.account.answers, &self.server.answers] {
            permits.extend(wait_for(room, ANSWER_LEN).await);
        }
        Held { _permits: permits }
    }

    /// Returns room for a long answer, if there is some now.
    pub(crate) fn answer_now(&self) -> Option<Held> {
        let permit = |room: &Arc<Semaphore>| {
            let len = u32::try_from(ANSWER_LEN).ok()?;
            room.clone().try_acquire_many_owned(len).ok()
        };
        let permits = vec![permit(&self.account.answers)?, permit(&self.server.answers)?];
        Some(Held { _permits: permits })
    }
}

/// Waits for room. The rooms are never closed, and none is as large as a number can be.
async fn wait_for(room: &Arc<Semaphore>, len: usize) -> Option<OwnedSemaphorePermit> {
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    room.clone().acquire_many_owned(len).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::ready;

    /// Returns room, if there is some at once.
    async fn found(rooms: &Rooms, len: usize) -> Option<Held> {
        tokio::select! {
            biased;
            held = rooms.request(len) => Some(held),
            () = ready(()) => None,
        }
    }

    #[tokio::test]
    async fn whatever_one_account_holds_another_finds_room_and_so_do_short_messages() {
        let (server, account) = (Room::of_server(), Room::of_account());
        let connections: Vec<Rooms> = (0..20)
            .map(|_| Rooms::new(account.clone(), server.clone()))
            .collect();
        let mut held = Vec::new();
        for rooms in &connections {
            if let Some(more) = found(rooms, usize::MAX).await {
                held.push(more);
            }
        }
        assert_eq!(held.len(), ACCOUNT_LEN / CONNECTION_LEN);
        assert!(found(&connections[19], OWN_LEN + 1).await.is_none());
        assert!(found(&connections[19], OWN_LEN).await.is_some());
        let other = Rooms::new(Room::of_account(), server);
        assert!(found(&other, usize::MAX).await.is_some());
        held.pop();
        assert!(found(&connections[19], OWN_LEN + 1).await.is_some());
    }

    #[tokio::test]
    async fn what_is_held_never_passes_the_rooms_and_all_of_it_comes_back() {
        let server = Room::of_server();
        let accounts: Vec<Room> = (0..20).map(|_| Room::of_account()).collect();
        let mut held = Vec::new();
        for n in 0..2000_usize {
            let rooms = Rooms::new(accounts[n % 20].clone(), server.clone());
            let len = OWN_LEN + 1 + n * 7919 % CONNECTION_LEN;
            if let Some(more) = found(&rooms, len).await {
                held.push((n % 20, len.min(CONNECTION_LEN), more));
            }
            if n % 3 == 0 && !held.is_empty() {
                held.swap_remove(n % held.len());
            }
            let of = |account: usize| {
                held.iter()
                    .filter(|(whose, ..)| *whose == account)
                    .map(|(_, len, _)| len)
                    .sum::<usize>()
            };
            assert!((0..20).all(|account| of(account) <= ACCOUNT_LEN));
            assert!((0..20).map(of).sum::<usize>() <= SERVER_LEN);
        }
        drop(held);
        assert_eq!(server.requests.available_permits(), SERVER_LEN);
        assert!(
            accounts
                .iter()
                .all(|room| room.requests.available_permits() == ACCOUNT_LEN)
        );
    }
}
