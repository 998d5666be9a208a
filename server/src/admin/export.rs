//! An account's files as they are or were, written into a new folder. What this disk cannot hold is named and left out.
//! Others may be able to write there too: nothing is written through what they put in the way.

use common::beneath::Dir;
use common::sparse::SparseWriter;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};
use sync_engine::{FileState, Kind, Name, Node, NodeId};

use super::moment::Moment;
use super::open_empty;
use super::system::make_executable;
use crate::content::write_content;
use crate::program::print_line;
use crate::store::{AccountRow, Metadata, Store};
use crate::trouble::Trouble;

/// Writes an account's files into a folder.
pub(super) fn export(store: &Store, account: &AccountRow, moment: &Moment, to: &Path) -> Result<(), Trouble> {
    let version = moment.version(store, account)?;
    let mut places = Places::new(open_empty(to, 0o777)?);
    let mut nodes = Vec::new();
    let read = store.metadata.read(|records| {
        records.past_tree(account.key, version, &mut |id, _, node| {
            nodes.push((id, node));
            true
        })
    });
    read.map_err(Trouble::from)?;
    let (mut n_written, mut n_left_out) = (0, 0);
    for (id, node) in nodes {
        // Parents come first: without one, what is above was left out.
        match places.write(store, account, id, &node) {
            Ok(()) => n_written += 1,
            Err(error) => {
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

/// The directories that were written.
struct Places {
    root: Dir,
    names: HashMap<NodeId, Vec<Name>>,
    /// The one that was written to last: what is in one directory comes together.
    last: Option<(NodeId, Dir)>,
}

impl Places {
    fn new(root: Dir) -> Self {
        Self {
            root,
            names: HashMap::from([(NodeId::ROOT, Vec::new())]),
            last: None,
        }
    }

    /// Writes a node into the directory that it is in.
    fn write(&mut self, store: &Store, account: &AccountRow, id: NodeId, node: &Node) -> io::Result<()> {
        let names = self.names.get(&node.parent);
        let names = names.ok_or_else(|| io::Error::other("the directory that it is in was left out"))?;
        let dir = match self.last.take().filter(|(parent, _)| *parent == node.parent) {
            Some((_, dir)) => dir,
            None => self.root.descend(names)?,
        };
        let name = node.name.as_bytes();
        let written = match &node.kind {
            Kind::Dir => dir.make_dir(name, 0o777),
            Kind::Symlink(target) => dir.make_symlink(target.as_bytes(), name),
            Kind::File(state) => write_file(store, account, state, &dir, name),
        };
        if written.is_ok() && node.kind.is_dir() {
            let names = names.iter().chain([&node.name]).cloned().collect();
            self.names.insert(id, names);
        }
        self.last = Some((node.parent, dir));
        written
    }
}

fn write_file(
    store: &Store,
    account: &AccountRow,
    state: &FileState,
    dir: &Dir,
    name: &[u8],
) -> io::Result<()> {
    let mut file = dir.create_file(name, 0o666)?;
    let mut sparse = SparseWriter::new(&mut file);
    write_content(store, account.key, &state.content, &mut sparse).map_err(io::Error::other)?;
    sparse.finish()?;
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

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::store::Durability;
    use sync_engine::{Content, Hash};

    fn node(parent: NodeId, name: &str, kind: Kind) -> Node {
        Node {
            parent,
            name: Name::try_from(name).unwrap(),
            kind,
            mark: None,
        }
    }

    fn empty_file() -> Kind {
        Kind::File(FileState {
            content: Content {
                hash: Hash::of(b""),
                size_bytes: 0,
                depth: 0,
            },
            exec: false,
            mtime_ns: 0,
        })
    }

    #[test]
    fn an_export_stays_where_it_was_begun_whatever_is_put_in_its_place() {
        let home = tempfile::TempDir::new().unwrap();
        let at = |path: &str| home.path().join(path);
        let store = Store::open(&at("data")).unwrap();
        let key = store
            .metadata
            .write(Durability::Flushed, |draft| {
                draft.add_account(&Hash::of(b"id"), 0)
            })
            .unwrap();
        let account = store
            .metadata
            .read(|records| records.account(key))
            .unwrap()
            .unwrap();
        std::fs::create_dir(at("outside")).unwrap();
        let [one, two, file] = [1, 2, 3].map(|n| NodeId([n; 16]));
        let mut places = Places::new(open_empty(&at("goal"), 0o777).unwrap());
        let mut write = |id, node: Node| places.write(&store, &account, id, &node);
        write(one, node(NodeId::ROOT, "one", Kind::Dir)).unwrap();
        write(two, node(NodeId::ROOT, "two", Kind::Dir)).unwrap();
        write(file, node(one, "a", empty_file())).unwrap();
        // Somebody takes the directory away, and puts links where it and its parts were.
        std::fs::rename(at("goal"), at("moved")).unwrap();
        std::fs::create_dir(at("goal")).unwrap();
        std::os::unix::fs::symlink(at("outside"), at("goal/one")).unwrap();
        std::os::unix::fs::symlink(at("outside"), at("goal/two")).unwrap();
        std::fs::rename(at("moved/two"), at("moved/away")).unwrap();
        std::os::unix::fs::symlink(at("outside"), at("moved/two")).unwrap();
        write(file, node(one, "b", empty_file())).unwrap();
        for kind in [empty_file(), Kind::Dir] {
            write(file, node(two, "c", kind)).unwrap_err();
        }
        write(file, node(one, "d", empty_file())).unwrap();
        let names = |path: &str| -> Vec<_> {
            let entries = std::fs::read_dir(at(path)).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names("outside"), [""; 0]);
        assert_eq!(names("moved/one"), ["a", "b", "d"]);
    }
}
