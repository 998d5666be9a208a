//! Accounts and their devices.

use std::fmt;
use sync_engine::DeviceId;

use super::shown_time;
use crate::arguments::parse_size;
use crate::program::print_line;
use crate::store::{AccountRow, Durability, Metadata, Store};
use crate::trouble::Trouble;

/// Lists the accounts. Their IDs are not known here, only their hashes, and those say nothing to a person.
pub(super) fn list_accounts(store: &Store) -> Result<(), Trouble> {
    let rows = store.metadata.read(|records| {
        let accounts = records.accounts()?;
        accounts
            .into_iter()
            .map(|account| Ok((records.devices(account.key)?.len(), account)))
            .collect::<Result<Vec<_>, _>>()
    });
    for (n_devices, account) in rows.map_err(Trouble::from)? {
        print_line(&format!(
            "account={} made={} devices={n_devices} version={} bytes={} quota={}",
            account.key.0,
            shown_time(account.created_ms),
            account.head,
            account.used_bytes(),
            Quota(account.quota_bytes)
        ))?;
    }
    Ok(())
}

/// How much an account may keep, in bytes; nothing is what the server is started with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota(Option<u64>);

/// More than any store has.
const NO_LIMIT: u64 = i64::MAX as u64;

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("default"),
            Some(NO_LIMIT) => f.write_str("none"),
            Some(bytes) => bytes.fmt(f),
        }
    }
}

/// Reads how much an account may keep.
pub(super) fn parse_quota(text: &str) -> Result<Quota, String> {
    match text {
        "default" => Ok(Quota(None)),
        "none" => Ok(Quota(Some(NO_LIMIT))),
        size => parse_size(size).map(|bytes| Quota(Some(bytes.min(NO_LIMIT)))),
    }
}

/// Sets how much an account may keep. A running server heeds it with the next chunk.
pub(super) fn set_quota(store: &Store, account: &AccountRow, quota: Quota) -> Result<(), Trouble> {
    let set = |draft: &dyn crate::store::Draft| draft.set_quota(account.key, quota.0);
    store
        .metadata
        .write(Durability::Flushed, set)
        .map_err(Trouble::from)?;
    print_line(&format!(
        "account={} bytes={} quota={quota}",
        account.key.0,
        account.used_bytes()
    ))
}

/// Lists an account's devices.
pub(super) fn list_devices(store: &Store, account: &AccountRow) -> Result<(), Trouble> {
    for device in store
        .metadata
        .read(|records| records.devices(account.key))
        .map_err(Trouble::from)?
    {
        print_line(&format!(
            "device={} enrolled={} seen={} revoked={} name={}",
            device.id,
            shown_time(device.enrolled_ms),
            shown_time(device.seen_ms),
            device.revoked,
            device.name
        ))?;
    }
    Ok(())
}

/// Shuts a device out. A running server cuts it off within a moment.
pub(super) fn revoke(store: &Store, account: &AccountRow, device: &str) -> Result<(), Trouble> {
    let unknown = || {
        Trouble::new(
            format!("account {} has no device {device}", account.key.0),
            "nothing was changed",
            "see which there are with `server device list`",
        )
    };
    let id: DeviceId = device.parse().map_err(|_| unknown())?;
    let revoked = store
        .metadata
        .write(Durability::Flushed, |draft| draft.revoke_device(account.key, id));
    if revoked.map_err(Trouble::from)? {
        print_line(&format!("revoked device={id}"))
    } else {
        Err(unknown())
    }
}
