//! Accounts and their devices.

use sync_engine::DeviceId;

use super::shown_time;
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
            "account={} made={} devices={n_devices} version={}",
            account.key.0,
            shown_time(account.created_ms),
            account.head
        ))?;
    }
    Ok(())
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
