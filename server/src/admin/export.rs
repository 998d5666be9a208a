//! An account's files as they are or were, written into a new folder. What this disk cannot hold is named and left out.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use sync_engine::{FileState, Kind, Node, NodeId};

use super::make_empty;
use super::moment::Moment;
use super::system::{make_executable, make_link, os_name};
use crate::content::write_content;
use crate::program::print_line;
use crate::store::{AccountRow, Metadata, Store};
use crate::trouble::Trouble;

/// Writes an account's files into a folder.
pub(super) fn export(store: &Store, account: &AccountRow, moment: &Moment, to: &Path) -> Result<(), Trouble> {
    let version = moment.version(store, account)?;
    make_empty(to)?;
    let mut nodes = Vec::new();
    let read = store.metadata.read(|records| {
        records.past_tree(account.key, version, &mut |id, _, node| {
            nodes.push((id, node));
            true
        })
    });
    read.map_err(Trouble::from)?;
    let mut paths: HashMap<NodeId, PathBuf> = HashMap::from([(NodeId::ROOT, to.to_owned())]);
    let (mut n_written, mut n_left_out) = (0, 0);
    for (id, node) in nodes {
        // Parents come first: without one, what is above was left out.
        let path = paths
            .get(&node.parent)
            .and_then(|parent| Some(parent.join(os_name(&node.name)?)));
        let written = match &path {
            Some(path) => write_node(store, account, &node, path),
            None => Err(io::Error::other(
                "this system cannot hold its name, or the directory that it is in",
            )),
        };
        match (written, path) {
            (Ok(()), Some(path)) => {
                n_written += 1;
                paths.insert(id, path);
            }
            (Ok(()), None) => (),
            (Err(error), _) => {
                n_left_out += 1;
                eprintln!("left out: {} (node {id}): {error}", node.name);
            }
        }
    }
    print_line(&format!(
        "exported version={version} written={n_written} left_out={n_left_out}"
    ))?;
    if n_left_out == 0 {
        return Ok(());
    }
    Err(Trouble::new(
        format!("{n_left_out} could not be written; they are named above"),
        "all the others were written",
        "see the reasons above; `server verify` looks for damage in the store",
    ))
}

fn write_node(store: &Store, account: &AccountRow, node: &Node, path: &Path) -> io::Result<()> {
    match &node.kind {
        Kind::Dir => std::fs::create_dir(path),
        Kind::Symlink(target) => make_link(target.as_bytes(), path),
        Kind::File(state) => write_file(store, account, state, path),
    }
}

fn write_file(store: &Store, account: &AccountRow, state: &FileState, path: &Path) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    write_content(store, account.key, &state.content, &mut file).map_err(io::Error::other)?;
    file.flush()?;
    if state.exec {
        make_executable(&file)?;
    }
    let age = Duration::from_nanos(state.mtime_ns.unsigned_abs());
    let modified = if state.mtime_ns < 0 {
        UNIX_EPOCH.checked_sub(age)
    } else {
        UNIX_EPOCH.checked_add(age)
    };
    modified.map_or(Ok(()), |modified| file.set_modified(modified))
}
