//! What users do to a disk. Names and nodes are few, so that everything collides.

use std::sync::Arc;
use sync_engine::tree::Item;
use sync_engine::{Content, FileState, Hash, Kind, Name, Node, NodeId, Target, Tree, Version};

/// A disk under a user's hands. New nodes get ids that nothing else has.
pub(crate) struct User<'a> {
    pub(crate) disk: &'a mut Tree,
    pub(crate) next_id: &'a mut u64,
    /// The names that are chosen from.
    pub(crate) names: [&'static str; 3],
}

pub(crate) fn file(text: &str) -> Kind {
    Kind::File(FileState {
        content: Content {
            hash: Hash::of(text.as_bytes()),
            size_bytes: text.len() as u64,
            depth: 0,
        },
        exec: false,
        mtime_ns: 0,
    })
}

pub(crate) fn name(text: &str) -> Name {
    text.try_into().unwrap()
}

impl User<'_> {
    pub(crate) fn make(&mut self, parent: NodeId, name: Name, kind: Kind) -> Option<NodeId> {
        *self.next_id += 1;
        let mut id = [0xee; 16];
        id[..8].copy_from_slice(&self.next_id.to_be_bytes());
        let id = NodeId(id);
        let node = Node {
            parent,
            name,
            kind,
            mark: None,
        };
        self.set(id, node).then_some(id)
    }

    fn set(&mut self, id: NodeId, node: Node) -> bool {
        let node = Arc::new(node);
        let version = Version::ZERO;
        self.disk.edit([(id, Some(Item { node, version }))]).is_ok()
    }

    pub(crate) fn node(&self, id: NodeId) -> Node {
        Node::clone(self.disk.node(id).unwrap())
    }

    pub(crate) fn write(&mut self, id: NodeId, kind: Kind) {
        let node = Node {
            kind,
            ..self.node(id)
        };
        self.set(id, node);
    }

    /// Renames as systems do: a file may take the place of a file, which is then gone.
    pub(crate) fn rename(&mut self, id: NodeId, parent: NodeId, name: Name) {
        if let Some(there) = self.disk.child(parent, &name) {
            let is_dir = self.node(there).kind.is_dir() || self.node(id).kind.is_dir();
            if there == id || is_dir {
                return;
            }
            self.disk.edit([(there, None)]).unwrap();
        }
        let node = Node {
            parent,
            name,
            ..self.node(id)
        };
        self.set(id, node);
    }

    pub(crate) fn swap(&mut self, a: NodeId, b: NodeId) {
        let (one, other) = (self.node(a), self.node(b));
        let item = |node: &Node, place: &Node| {
            let (parent, name) = (place.parent, place.name.clone());
            let node = Arc::new(Node {
                parent,
                name,
                ..node.clone()
            });
            Some(Item {
                node,
                version: Version::ZERO,
            })
        };
        // Whoever tries to swap a directory with something in it gets an error.
        let _ = self.disk.edit([(a, item(&one, &other)), (b, item(&other, &one))]);
    }

    pub(crate) fn delete(&mut self, id: NodeId) {
        let mut gone = self.disk.descendants(id);
        gone.push(id);
        self.disk.edit(gone.into_iter().map(|id| (id, None))).unwrap();
    }

    /// Does something that four numbers choose.
    pub(crate) fn act(&mut self, what: u8, which: u8, whither: u8, how: u8) {
        let all: Vec<NodeId> = self.disk.iter().map(|(id, _)| id).collect();
        let mut dirs: Vec<NodeId> = all.iter().copied().filter(|id| self.disk.is_dir(*id)).collect();
        dirs.push(NodeId::ROOT);
        let dir = dirs[usize::from(whither) % dirs.len()];
        let fresh = name(self.names[usize::from(how) % 3]);
        if what % 10 < 3 || all.is_empty() {
            let kind = match which % 8 {
                0..4 => file(&format!("new {}", which % 3)),
                4 => Kind::Symlink(Target::new(&[b'x', b'0' + how % 2]).unwrap()),
                5.. => Kind::Dir,
            };
            self.make(dir, fresh, kind);
            return;
        }
        let id = all[usize::from(which) % all.len()];
        let kind = self.node(id).kind;
        match (what % 10, kind) {
            (3 | 4, Kind::File(_)) => {
                *self.next_id += 1;
                let token = if how.is_multiple_of(4) {
                    u64::from(how)
                } else {
                    *self.next_id
                };
                self.write(id, file(&format!("edit {token}")));
            }
            (5, Kind::File(old)) => self.write(
                id,
                Kind::File(FileState {
                    exec: !old.exec,
                    ..old
                }),
            ),
            (3..=5, Kind::Symlink(_)) => self.write(
                id,
                Kind::Symlink(Target::new(&[b'y', how]).unwrap_or_else(|_| Target::new(b"z").unwrap())),
            ),
            (6 | 7, _) => self.rename(id, dir, fresh),
            (8, _) => self.delete(id),
            (9, _) if whither.is_multiple_of(2) => self.swap(id, all[usize::from(how) % all.len()]),
            (9, Kind::File(old)) => self.write(
                id,
                Kind::File(FileState {
                    mtime_ns: i64::from(how),
                    ..old
                }),
            ),
            _ => self.replace(id, how),
        }
    }

    /// Removes something and makes something else under its name.
    fn replace(&mut self, id: NodeId, how: u8) {
        let old = self.node(id);
        self.delete(id);
        let kind = if how.is_multiple_of(2) {
            Kind::Dir
        } else {
            file("new 1")
        };
        self.make(old.parent, old.name, kind);
    }
}
