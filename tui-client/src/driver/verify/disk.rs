//! The last part of a check: the disk against the local tree. Everything is listed and every file is read; nothing is
//! changed, and nothing that is found enters the tree. Bytes that changed under equal stamps are nobody's work, so they
//! must not travel as an edit: a person decides.

use std::collections::{BTreeMap, BTreeSet};

use sync_engine::{Content, Kind, Name, NodeId, RelPath, Target};

use crate::chunker::Chunker;
use crate::disk::{DiskError, Print, Root, Sight};
use crate::driver::Driver;
use crate::rules::Rules;

/// What is to be found at a name.
enum Expected {
    Dir,
    Symlink(Target),
    File(Content, Option<Print>),
    /// Whatever is there is blocked or not synced, which is said elsewhere.
    Anything,
}

/// What is to be found on the disk.
pub(super) struct OnDisk {
    dirs: Vec<(RelPath, BTreeMap<Name, Expected>)>,
    /// What lies there and cannot be synced.
    odd: BTreeSet<RelPath>,
}

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    /// What differs.
    pub(super) lines: Vec<String>,
    /// How many bytes were read.
    pub(super) n_bytes: u64,
}

impl Driver {
    /// Returns what is to be found on the disk: the local tree, but for what is known not to agree.
    pub(super) fn expected_on_disk(&self) -> OnDisk {
        let (local, blocked) = (self.trees().local(), self.session.blocked());
        let is_left_out = |id: NodeId| blocked.contains_key(&id) || self.trees().is_unsettled(id);
        let mut dirs = Vec::new();
        let mut pending = vec![(NodeId::ROOT, RelPath::root())];
        while let Some((dir, path)) = pending.pop() {
            let mut names = BTreeMap::new();
            for (name, id) in local.children(dir) {
                let expected = match local.node(id).map(|node| &node.kind) {
                    _ if is_left_out(id) => Expected::Anything,
                    None => continue,
                    Some(Kind::Dir) => {
                        pending.push((id, path.join(name)));
                        Expected::Dir
                    }
                    Some(Kind::Symlink(target)) => Expected::Symlink(target.clone()),
                    Some(Kind::File(file)) => Expected::File(file.content, self.observer.print(id).copied()),
                };
                names.insert(name.clone(), expected);
            }
            dirs.push((path, names));
        }
        let odd = self.observer.oddities().keys().cloned().collect();
        OnDisk { dirs, odd }
    }
}

impl OnDisk {
    /// Reads the disk and tells what differs, as long as somebody wants to know.
    pub(super) fn compare(self, root: &Root, is_wanted: impl Fn() -> bool) -> Found {
        let rules = Rules::load(root).map(|(rules, _)| rules).unwrap_or_default();
        let (mut chunker, mut found) = (Chunker::new(), Found::default());
        for (dir, mut expected) in self.dirs {
            let listing = match root.list(&dir) {
                Ok(listing) => listing,
                Err(DiskError::Gone { .. }) => {
                    found.lines.push(format!("'{dir}' is not on the disk"));
                    continue;
                }
                Err(error) => {
                    found.lines.push(format!("'{dir}' cannot be listed: {error}"));
                    continue;
                }
            };
            for (name, sight) in listing.entries {
                if !is_wanted() {
                    return found;
                }
                let path = dir.join(&name);
                match expected.remove(&name) {
                    Some(expected) => found.compare_one(root, &mut chunker, &path, &sight, &expected),
                    None if self.odd.contains(&path) => (),
                    None if rules.ignores(&path, matches!(sight, Sight::Dir(_))) => (),
                    None => found.lines.push(format!(
                        "'{path}' is on the disk, and this device has not seen it yet"
                    )),
                }
            }
            let missing = expected
                .into_iter()
                .filter(|(_, expected)| !matches!(expected, Expected::Anything))
                .map(|(name, _)| format!("'{}' is not on the disk", dir.join(&name)));
            found.lines.extend(missing);
        }
        found
    }
}

impl Found {
    fn compare_one(
        &mut self,
        root: &Root,
        chunker: &mut Chunker,
        path: &RelPath,
        sight: &Sight,
        expected: &Expected,
    ) {
        let is_as_expected = match (expected, sight) {
            (Expected::Anything, _) | (Expected::Dir, Sight::Dir(_)) => true,
            (Expected::Symlink(target), Sight::Symlink(_, found)) => target == found,
            (Expected::File(content, known), Sight::File(_)) => {
                return self.compare_file(root, chunker, path, *content, known.as_ref());
            }
            (Expected::Dir | Expected::Symlink(_) | Expected::File(..), _) => false,
        };
        if !is_as_expected {
            self.lines.push(changed(path));
        }
    }

    fn compare_file(
        &mut self,
        root: &Root,
        chunker: &mut Chunker,
        path: &RelPath,
        content: Content,
        known: Option<&Print>,
    ) {
        let (mut file, print) = match root.open_file(path) {
            Ok(opened) => opened,
            Err(error) => return self.lines.push(format!("'{path}' cannot be read: {error}")),
        };
        match chunker.chunk(&mut file, |chunk, _| self.n_bytes += u64::from(chunk.len)) {
            Ok(chunked) if chunked.content == content => (),
            // The stamps say that nobody wrote it, before the reading and after it.
            Ok(_)
                if known.is_some_and(|known| known.same_file_state(&print))
                    && root.print_of(&file).is_ok_and(|after| after == print) =>
            {
                self.lines.push(format!(
                    "'{path}' holds other bytes on the disk than this device has synced, and its time stamps say that \
                     nobody wrote it: the disk may be failing; nothing was changed; copy it elsewhere if these bytes \
                     are right, then remove it and restore it from the history"
                ));
            }
            Ok(_) => self.lines.push(changed(path)),
            Err(error) => self.lines.push(format!("'{path}' cannot be read: {error}")),
        }
    }
}

fn changed(path: &RelPath) -> String {
    format!("'{path}' has changed on the disk, and this device has not seen it yet; check again")
}
