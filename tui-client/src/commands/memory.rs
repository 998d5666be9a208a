//! What can be told of a folder on which no client runs: out of its memory and the configuration, changing neither.

use sync_engine::Version;

use super::Target;
use crate::config::{Account, Config};
use crate::control::{Answer, ConflictItem, Identity, State, Status};
use crate::driver::bursts;
use crate::driver::views;
use crate::fault::Fault;
use crate::options::Deed;
use crate::state::{self, Loaded, STATE_NAME};
use crate::words::{block_in_words, id_replaced_in_words};

/// Returns the answer, or nothing when only a running client can give it.
pub(super) fn answer(deed: &Deed, target: &Target, config: &Config) -> Result<Option<Answer>, Fault> {
    let answer = match deed {
        Deed::Id | Deed::Link => Answer::Identity(identity(&account(target, config)?)?),
        Deed::Status => Answer::Status(status(&load(target)?, &account(target, config)?)),
        Deed::Conflicts => Answer::Conflicts(conflicts(&load(target)?, &account(target, config)?)),
        Deed::Log { limit } => {
            let mut feed = load(target)?.feed;
            feed.reverse();
            feed.truncate(usize::try_from(*limit).unwrap_or(usize::MAX));
            Answer::Log(feed)
        }
        Deed::Wait { .. }
        | Deed::History { .. }
        | Deed::Restore { .. }
        | Deed::Resolve { .. }
        | Deed::Devices
        | Deed::RenameDevice { .. }
        | Deed::RevokeDevice { .. }
        | Deed::ReplaceId
        | Deed::Why { .. }
        | Deed::WhyReserved { .. }
        | Deed::Confirm
        | Deed::Revert
        | Deed::Verify
        | Deed::Doctor => return Ok(None),
    };
    Ok(Some(answer))
}

fn account(target: &Target, config: &Config) -> Result<Account, Fault> {
    config.account(target.folder)?.ok_or_else(|| {
        Fault::failed(
            "this folder belongs to no account of yours",
            "nothing was changed",
            "join its account with its pairing link, or see that HOLDFAST_CONFIG_DIR is right",
        )
    })
}

fn load(target: &Target) -> Result<Loaded, Fault> {
    let loaded = state::State::peek(&target.root.private_path(STATE_NAME))?;
    loaded.ok_or_else(|| {
        Fault::failed(
            "this folder has no memory yet",
            "nothing was changed",
            "start the client on the folder once",
        )
    })
}

fn identity(account: &Account) -> Result<Identity, Fault> {
    if account.is_id_replaced {
        return Err(Fault::told(id_replaced_in_words()));
    }
    let (Some(id), Some(link)) = (&account.id, account.pairing_link()) else {
        return Err(Fault::failed(
            "the server has not given this folder an account yet",
            "nothing was changed",
            "start the client on the folder while the server is in reach",
        ));
    };
    Ok(Identity {
        id: id.reveal().to_string(),
        link: link.reveal().to_string(),
    })
}

fn status(loaded: &Loaded, account: &Account) -> Status {
    let trees = &loaded.trees;
    let blocked = trees
        .blocked()
        .iter()
        .filter_map(|(id, block)| Some((views::path_of(trees, *id)?, block_in_words(block))))
        .collect();
    Status {
        version: loaded
            .facts
            .cursor
            .map(|cursor| cursor.version)
            .unwrap_or_default(),
        pending: trees.n_unsettled() as u64,
        blocked,
        conflicts: trees.marked().len() as u64,
        nodes: trees.local().len() as u64,
        protected_ms: loaded.facts.protected_ms,
        removed: bursts::figures(&loaded.facts.bursts),
        ..outline(account)
    }
}

/// What is known without a memory.
pub(super) fn outline(account: &Account) -> Status {
    Status {
        state: State::Offline,
        version: Version::ZERO,
        pending: 0,
        blocked: Vec::new(),
        conflicts: 0,
        nodes: 0,
        device: account.device_name.clone(),
        device_id: account.device,
        server: account
            .server
            .as_ref()
            .map_or_else(|| "not known yet".to_owned(), ToString::to_string),
        connected: false,
        protected_ms: None,
        trouble: None,
        brake: None,
        removed: None,
        warnings: account
            .is_id_replaced
            .then(id_replaced_in_words)
            .into_iter()
            .collect(),
    }
}

fn conflicts(loaded: &Loaded, account: &Account) -> Vec<ConflictItem> {
    views::conflicts(&loaded.trees, |device| {
        if account.device == Some(device) {
            account.device_name.clone()
        } else {
            // The other devices' names are the server's to tell.
            device.to_string()
        }
    })
}
