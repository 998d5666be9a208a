//! A folder that was enrolled, and in whose place is nothing or something else, such as the empty directory on which its
//! disk is not mounted: it is halted, whether a client runs on it or not.

use super::Surroundings;
use crate::client::known;
use crate::control::{Answer, Ask, State, Status};
use crate::disk::FolderId;
use crate::fault::Fault;
use crate::options::{Deed, Order};
use crate::socket::Socket;

/// Returns the answer of a folder that is lost: how it stands, or that nothing can be done with it. Nothing when it is
/// there, or was never enrolled.
pub(super) async fn answer(order: &Order, surroundings: &Surroundings) -> Result<Option<Answer>, Fault> {
    match known::lost(&surroundings.config, &order.folder) {
        None => Ok(None),
        // It looks at what is there, whatever that is.
        Some(_) if order.deed == Deed::Doctor => Ok(None),
        Some((folder, fault)) if order.deed == Deed::Status => {
            Ok(Some(Answer::Status(status(folder, fault, surroundings).await?)))
        }
        Some((_, fault)) => Err(fault),
    }
}

async fn status(folder: FolderId, fault: Fault, surroundings: &Surroundings) -> Result<Status, Fault> {
    let config = &surroundings.config;
    let trouble = Some(fault.trouble.clone());
    match Socket::ask(&config.place(folder), &Ask::Status).await {
        Ok(Answer::Status(status)) if status.state == State::Halted => return Ok(status),
        Ok(Answer::Status(status)) => {
            return Ok(Status {
                state: State::Halted,
                trouble,
                ..status
            });
        }
        // Then the configuration is all that there is.
        Ok(_) | Err(_) => (),
    }
    let account = config.account(folder)?.ok_or(fault)?;
    Ok(Status {
        state: State::Halted,
        trouble,
        ..super::memory::outline(&account)
    })
}
