//! What was changed in an account.

use common::message::Traced;
use std::collections::BTreeMap;
use sync_engine::{Change, DeviceId, Entry, RelPath, Version};

use super::shown_time;
use crate::past;
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
        })?
        .unwrap_or_default();
    let read = store.metadata.read(|records| {
        let names = records
            .devices(account.key)?
            .into_iter()
            .map(|row| (row.id, row.name))
            .collect();
        let (entries, _) = past::log(records, account.key, &path, Version(u64::MAX), n_max)?;
        let entries = entries
            .into_iter()
            .map(|entry| {
                let given_up = is_given_up(records, account, &entry)?;
                Ok((past::trace(records, account.key, entry)?, given_up))
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        Ok((names, entries))
    });
    let (names, entries) = read.map_err(Trouble::from)?;
    if entries.is_empty() && !path.0.is_empty() {
        return Err(Trouble::new(
            "there never was anything at this path",
            "nothing was done",
            "list all changes without a path to see which paths there were",
        ));
    }
    entries.iter().try_for_each(|(traced, given_up)| {
        let note = if *given_up {
            " (its bytes were given up)"
        } else {
            ""
        };
        print_line(&format!("{}{note}", shown(traced, &names)))
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

fn shown(traced: &Traced, names: &BTreeMap<DeviceId, String>) -> String {
    let entry = &traced.entry;
    let what = match &entry.change {
        Change::Create { .. } => "create",
        Change::Update { .. } => "update",
        Change::Move { .. } => "move",
        Change::Delete { .. } => "delete",
        Change::Mark { mark: Some(_), .. } => "conflict",
        Change::Mark { mark: None, .. } => "resolve",
    };
    let nodes = entry.change.ids().zip(&traced.paths);
    let nodes: Vec<String> = nodes
        .map(|(id, path)| format!("{what} node={id} path={path}"))
        .collect();
    let what = nodes.join(", ");
    let device = names.get(&entry.device).map_or("the server", String::as_str);
    format!(
        "version={} time={} device={device} {what}",
        entry.number,
        shown_time(entry.time_ms)
    )
}
