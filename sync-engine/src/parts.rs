//! A tree that a server sends in parts: however many it sends, no more is kept of them than a limit allows.

use crate::tree::Item;
use crate::{Kind, Node, NodeId, Version};
use alloc::vec::Vec;

/// What a node counts besides its name and its target, in bytes: about what it takes in memory.
pub const NODE_LEN: usize = 128;

/// Why parts are not those of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    /// A part has nothing in it, and is not the last.
    #[error("a part of it is empty")]
    Empty,
    /// It is too large.
    #[error("it is larger than {len_max} bytes")]
    TooLarge {
        /// How large it may be.
        len_max: usize,
    },
}

/// See the module's page.
#[derive(Debug, Clone, Default, Hash)]
pub struct Parts {
    /// As they will lie in a tree, so that they need not be copied.
    items: Vec<(NodeId, Item)>,
    len: usize,
}

impl Parts {
    /// Adds a part to a tree that may be so large, in bytes.
    ///
    /// # Errors
    /// When it is too large, or more of it would go on for ever. Nothing of the part is kept then.
    pub fn add(
        &mut self,
        nodes: Vec<(NodeId, Version, Node)>,
        is_last: bool,
        len_max: usize,
    ) -> Result<(), PartsError> {
        if nodes.is_empty() && !is_last {
            return Err(PartsError::Empty);
        }
        let len = nodes
            .iter()
            .fold(self.len, |len, (_, _, node)| len.saturating_add(len_of(node)));
        if len_max < len {
            return Err(PartsError::TooLarge { len_max });
        }
        self.len = len;
        self.items.extend(nodes.into_iter().map(|(id, version, node)| {
            let node = node.into();
            (id, Item { node, version })
        }));
        Ok(())
    }

    /// Returns all nodes that have come.
    #[must_use]
    pub fn into_items(self) -> Vec<(NodeId, Item)> {
        self.items
    }
}

fn len_of(node: &Node) -> usize {
    let target = match &node.kind {
        Kind::Symlink(target) => target.as_bytes().len(),
        Kind::File(_) | Kind::Dir => 0,
    };
    NODE_LEN + node.name.as_bytes().len() + target
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Name, Target};
    use alloc::vec;

    fn node(n: u8) -> (NodeId, Version, Node) {
        let node = Node {
            parent: NodeId::ROOT,
            name: Name::try_from("four").unwrap(),
            kind: Kind::Symlink(Target::new(b"six---").unwrap()),
            mark: None,
        };
        (NodeId([n; 16]), Version(n.into()), node)
    }

    #[test]
    fn no_more_is_kept_than_is_allowed_however_many_parts_come() {
        let len_max = 3 * (NODE_LEN + 10);
        let mut parts = Parts::default();
        parts.add(vec![node(1), node(2)], false, len_max).unwrap();
        let too_large = Err(PartsError::TooLarge { len_max });
        assert_eq!(parts.add(vec![node(3), node(4)], false, len_max), too_large);
        parts.add(vec![node(5)], false, len_max).unwrap();
        assert_eq!(parts.add(Vec::new(), false, len_max), Err(PartsError::Empty));
        parts.add(Vec::new(), true, len_max).unwrap();
        let items = [1, 2, 5].map(|n| {
            let (id, version, node) = node(n);
            let node = node.into();
            (id, Item { node, version })
        });
        assert_eq!(parts.into_items(), items);
    }
}
