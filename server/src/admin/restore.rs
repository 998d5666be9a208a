//! Bringing an account back to how it was. Everything is an ordinary change at the end of the journal, made in one
//! transaction: devices follow as they follow any change, and what was there before stays in the history. Names may be
//! swapped between then and now, and directories turned inside out; so what has to move goes into a directory of its
//! own first, and from there to its place, which is then free.

use std::collections::{BTreeMap, HashMap};
use sync_engine::{Change, DeviceId, MoveTo, Name, Node, NodeId, Rejection, Version};

use super::moment::Moment;
use crate::journal::JournalEnd;
use crate::program::print_line;
use crate::store::{AccountKey, AccountRow, Draft, Durability, Metadata, Store, StoreError};
use crate::trouble::Trouble;

/// The device of changes that no device made.
const SERVER: DeviceId = DeviceId([0; 16]);

type Nodes = Vec<(NodeId, Node)>;

/// Brings an account back to a moment.
pub(super) fn restore(store: &Store, account: &AccountRow, moment: &Moment) -> Result<(), Trouble> {
    if moment.is_now() {
        return Err(Trouble::new(
            "it was not said which moment to restore",
            "nothing was changed",
            "name it with --version NUMBER or --time TIME",
        ));
    }
    let version = moment.version(store, account)?;
    let mut salt = [0; 16];
    common::entropy::fill(&mut salt).map_err(|error| {
        Trouble::new(
            error.to_string(),
            "nothing was changed",
            "see why the system has no random numbers",
        )
    })?;
    let written = store.metadata.write(Durability::Flushed, |draft| {
        let past = past_nodes(draft, account, version)?;
        let mut work = Work {
            draft,
            end: JournalEnd::open(draft, account.key)?,
            account,
            salt,
        };
        let aside = work.clear(&past)?;
        work.place(&past)?;
        if let Some(aside) = aside {
            work.delete(aside)?;
        }
        work.end.finish()
    });
    let head = written.map_err(|error| match &error {
        StoreError::GivenUp { .. } => Trouble::new(
            crate::trouble::with_reasons(&error),
            "nothing was changed",
            "restore a later moment; or write all that is still kept of this one into a folder with `server export`",
        ),
        _ => Trouble::from(error),
    })?;
    print_line(&format!(
        "restored version={version} changes={} now={head}",
        head.0.saturating_sub(account.head.0)
    ))
}

fn past_nodes(records: &dyn Draft, account: &AccountRow, at: Version) -> Result<Nodes, StoreError> {
    let mut nodes = Vec::new();
    records.past_tree(account.key, at, &mut |id, _, node| {
        nodes.push((id, node));
        true
    })?;
    Ok(nodes)
}

struct Work<'d> {
    draft: &'d dyn Draft,
    end: JournalEnd<'d>,
    account: &'d AccountRow,
    salt: [u8; 16],
}

impl Work<'_> {
    /// Moves aside what is elsewhere now, then deletes what was not there then. Returns the directory for the former.
    fn clear(&mut self, past: &Nodes) -> Result<Option<NodeId>, StoreError> {
        let then: HashMap<NodeId, &Node> = past.iter().map(|(id, node)| (*id, node)).collect();
        let mut now = Vec::new();
        self.draft.tree(self.account.key, &mut |id, _, node| {
            now.push((id, node));
            true
        })?;
        let moved: Vec<NodeId> = now
            .iter()
            .filter(|(id, node)| then.get(id).is_some_and(|then| !then.same_place(node)))
            .map(|(id, _)| *id)
            .collect();
        let aside = if moved.is_empty() {
            None
        } else {
            Some(self.make_aside()?)
        };
        for id in moved {
            let name = Name::try_from(id.to_string().as_str()).map_err(|_| refused("a name"))?;
            self.move_to(id, aside.unwrap_or(NodeId::ROOT), name)?;
        }
        // Children come after their parents in a tree that is read out, so they go first backwards.
        for (id, _) in now.iter().rev().filter(|(id, _)| !then.contains_key(id)) {
            self.delete(*id)?;
        }
        Ok(aside)
    }

    /// Puts everything where it was and as it was, parents first. What is gone comes back under a new id, since an id
    /// is never used twice.
    fn place(&mut self, past: &Nodes) -> Result<(), StoreError> {
        let mut reborn: BTreeMap<NodeId, NodeId> = BTreeMap::new();
        for (id, then) in past {
            let parent = reborn.get(&then.parent).copied().unwrap_or(then.parent);
            let Some((_, now)) = self.draft.item(self.account.key, *id)? else {
                let new_id = NodeId::derive("restored", *id, SERVER, &self.salt);
                reborn.insert(*id, new_id);
                let node = Node {
                    parent,
                    ..then.clone()
                };
                self.append(&Change::Create { id: new_id, node })?;
                continue;
            };
            if now.parent != parent || now.name != then.name {
                self.move_to(*id, parent, then.name.clone())?;
            }
            if now.kind != then.kind {
                let base = self.version(*id)?;
                self.append(&Change::Update {
                    id: *id,
                    base,
                    kind: then.kind.clone(),
                })?;
            }
            if now.mark != then.mark {
                let base = self.version(*id)?;
                self.append(&Change::Mark {
                    id: *id,
                    base,
                    mark: then.mark.clone(),
                })?;
            }
        }
        Ok(())
    }

    fn make_aside(&mut self) -> Result<NodeId, StoreError> {
        let id = NodeId::derive("restoring", NodeId::ROOT, SERVER, &self.salt);
        let name = Name::try_from(format!("restoring {id}").as_str()).map_err(|_| refused("a name"))?;
        let node = Node {
            parent: NodeId::ROOT,
            name,
            kind: sync_engine::Kind::Dir,
            mark: None,
        };
        self.append(&Change::Create { id, node })?;
        Ok(id)
    }

    fn move_to(&mut self, id: NodeId, parent: NodeId, name: Name) -> Result<(), StoreError> {
        let base = self.version(id)?;
        self.append(&Change::Move {
            moves: vec![MoveTo {
                id,
                base,
                parent,
                name,
            }],
        })
    }

    fn delete(&mut self, id: NodeId) -> Result<(), StoreError> {
        let base = self.version(id)?;
        self.append(&Change::Delete { id, base })
    }

    fn version(&self, id: NodeId) -> Result<Version, StoreError> {
        let item = self.draft.item(self.account.key, id)?;
        item.map(|(version, _)| version)
            .ok_or_else(|| refused("a node that is not there"))
    }

    fn append(&mut self, change: &Change) -> Result<(), StoreError> {
        match self.end.append(SERVER, change)? {
            Ok(_) => Ok(()),
            Err(Rejection::MissingContent(hash)) => {
                let name = named(self.draft, self.account.key, change)?;
                if self.draft.is_thinned(self.account.key, &hash)? {
                    let what = format!("the version of {name} that the tree of then needs");
                    return Err(StoreError::GivenUp { what });
                }
                let what = format!("chunk {hash}, which the {name} of then needs,");
                Err(StoreError::Damaged { what })
            }
            Err(rejection) => Err(refused(&rejection.to_string())),
        }
    }
}

/// Returns the name of what a change brings back.
fn named(draft: &dyn Draft, account: AccountKey, change: &Change) -> Result<String, StoreError> {
    if let Change::Create { node, .. } = change {
        return Ok(node.name.to_string());
    }
    for id in change.ids() {
        if let Some((_, node)) = draft.item(account, id)? {
            return Ok(node.name.to_string());
        }
    }
    Ok("something that is gone".to_owned())
}

fn refused(why: &str) -> StoreError {
    StoreError::Damaged {
        what: format!("the tree, which does not take the change ({why}),"),
    }
}
