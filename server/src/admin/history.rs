//! What was changed in an account.

use std::collections::BTreeMap;
use sync_engine::{Change, DeviceId, Entry, RelPath, Version};

use super::shown_time;
use crate::program::print_line;
use crate::store::{AccountRow, Metadata, Records, Store, StoreError};
use crate::trouble::Trouble;

/// Lists changes, newest first.
pub(super) fn list(
    store: &Store,
    account: &AccountRow,
    path: Option<&str>,
    n_max: usize,
) -> Result<(), Trouble> {
    let path = path
        .map(|text| RelPath::parse(text.as_bytes()))
        .transpose()
        .map_err(|error| {
            Trouble::new(
                error.to_string(),
                "nothing was done",
                "give a path from the root of the folder, such as a/b",
            )
        })?;
    let read = store.metadata.read(|records| {
        let node = match &path {
            None => None,
            Some(path) => match find(records, account, path)? {
                Some(id) => Some(id),
                None => return Ok(None),
            },
        };
        let names = records
            .devices(account.key)?
            .into_iter()
            .map(|row| (row.id, row.name))
            .collect();
        let entries = records.log(account.key, node, Version(u64::MAX), n_max)?;
        let given_up = entries
            .iter()
            .map(|entry| is_given_up(records, account, entry))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Some((names, entries, given_up)))
    });
    let (names, entries, given_up) = read.map_err(Trouble::from)?.ok_or_else(|| {
        Trouble::new(
            "there is nothing at this path now",
            "nothing was done",
            "list all changes without a path, or look at an older tree with `server export --version NUMBER`",
        )
    })?;
    entries.iter().zip(given_up).try_for_each(|(entry, given_up)| {
        let note = if given_up {
            " (its bytes were given up)"
        } else {
            ""
        };
        print_line(&format!("{}{note}", shown(entry, &names)))
    })
}

/// Tells whether the bytes that an entry brought are not kept any more.
fn is_given_up(records: &dyn Records, account: &AccountRow, entry: &Entry) -> Result<bool, StoreError> {
    match entry.change.content() {
        Some((_, content)) => {
            Ok(!records.has_content(account.key, &content)?
                && records.is_thinned(account.key, &content.hash)?)
        }
        None => Ok(false),
    }
}

/// Returns the node at a path.
fn find(
    records: &dyn Records,
    account: &AccountRow,
    path: &RelPath,
) -> Result<Option<sync_engine::NodeId>, StoreError> {
    let mut at = sync_engine::NodeId::ROOT;
    for name in &path.0 {
        match records.child(account.key, at, name)? {
            Some(child) => at = child,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

fn shown(entry: &Entry, names: &BTreeMap<DeviceId, String>) -> String {
    let what = match &entry.change {
        Change::Create { id, node } => format!("create node={id} name={}", node.name),
        Change::Update { id, .. } => format!("update node={id}"),
        Change::Move { moves } => {
            let moves: Vec<String> = moves
                .iter()
                .map(|to| format!("move node={} name={}", to.id, to.name))
                .collect();
            moves.join(", ")
        }
        Change::Delete { id, .. } => format!("delete node={id}"),
        Change::Mark {
            id, mark: Some(_), ..
        } => format!("conflict node={id}"),
        Change::Mark { id, mark: None, .. } => format!("resolve node={id}"),
    };
    let device = names.get(&entry.device).map_or("the server", String::as_str);
    format!(
        "version={} time={} device={device} {what}",
        entry.number,
        shown_time(entry.time_ms)
    )
}
