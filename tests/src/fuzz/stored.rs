//! What was stored: it may be damaged, or have been put there by somebody else.

use common::codec::{from_bytes, to_bytes};
use std::fs;
use sync_engine::Change;
use tempfile::TempDir;
use tui_client::config::{Account, Config};
use tui_client::disk::FolderId;

/// Reads a pack's header.
pub(super) fn pack_header(bytes: &[u8]) -> bool {
    server::fuzzing::pack_header(bytes)
}

/// Reads a row of a client's memory, and the same bytes as a change in a server's journal.
pub(super) fn state_row(bytes: &[u8]) -> bool {
    let is_change = from_bytes::<Change>(bytes).is_ok_and(|change| {
        let written = to_bytes(&change).expect("what was read can be written");
        assert_eq!(from_bytes::<Change>(&written).ok(), Some(change));
        true
    });
    tui_client::fuzzing::state_row(bytes) || is_change
}

thread_local! {
    static HOME: TempDir = TempDir::new().expect("a directory");
}

/// Reads the file with a folder's account.
pub(super) fn account_toml(bytes: &[u8]) -> bool {
    HOME.with(|home| {
        let config = Config::at(home.path());
        let folder = FolderId([7; 16]);
        let path = home.path().join(folder.to_string()).join("account.toml");
        if !path.exists() {
            let saved = config.save_account(folder, &new_account());
            saved.expect("a file that only its owner may read");
        }
        fs::write(path, bytes).expect("the file can be written");
        match config.account(folder) {
            Ok(account) => account.is_some(),
            Err(error) => {
                assert!(
                    error.to_string().len() < 1024,
                    "an error does not repeat the file"
                );
                false
            }
        }
    })
}

fn new_account() -> Account {
    Account {
        server: Some("localhost".parse().expect("an address")),
        fingerprint: None,
        id: None,
        device_name: "a".into(),
        device: None,
        is_id_replaced: false,
    }
}
