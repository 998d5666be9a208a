//! What the three trees hold of a node, as the bytes of one row. What is the same in several of them is there once. A seal
//! lies over all of it and the id: SQLite does not notice a flipped bit inside a row; the seal does, so that a tree is
//! never believed that nobody saw.

use std::sync::Arc;

use sync_engine::node::ConflictCause;
use sync_engine::tree::Item;
use sync_engine::{
    Base, ConflictMark, Content, DeviceId, FileState, Hash, Kind, Name, Node, NodeId, Sides, Target, Version,
};

/// The length of the seal, in bytes.
const SEAL_LEN: usize = 8;
/// Says that a tree does not have the node.
const NOWHERE: u8 = 0;
/// Say that a tree has the node as the remote, the synced or the local one has it.
const HOLDERS: [u8; 3] = [1, 2, 3];

const DIR: u8 = 0;
const FILE: u8 = 1;
const SYMLINK: u8 = 2;
/// Is added to the kind of a node that bears a conflict mark.
const MARKED: u8 = 0x80;

/// Writes a row into an emptied buffer: which sides there are, each node that is not the same as one before it, the
/// versions, and the seal.
pub(crate) fn encode(id: NodeId, sides: &Sides, into: &mut Vec<u8>) {
    into.clear();
    let Sides {
        remote,
        synced,
        local,
    } = sides;
    let nodes = [
        remote.as_ref().map(|item| &item.node),
        synced.as_ref().map(|base| &base.node),
        local.as_ref(),
    ];
    // Nodes that are one in memory are equal without a look at them.
    let firsts = nodes.map(|node| node.and_then(|_| nodes.iter().position(|first| *first == node)));
    into.extend(firsts.map(|first| first.map_or(NOWHERE, |first| HOLDERS[first])));
    for (at, node) in nodes.iter().enumerate() {
        if let Some(node) = node.filter(|_| firsts[at] == Some(at)) {
            put_node(node, into);
        }
    }
    let versions = [
        remote.as_ref().map(|item| item.version),
        synced.as_ref().map(|base| base.version),
    ];
    for version in versions.into_iter().flatten() {
        into.extend_from_slice(&version.0.to_le_bytes());
    }
    into.extend_from_slice(&seal(&id.0, into));
}

/// Reads a row back, or returns nothing when it is not as it was written.
pub(crate) fn decode(id: NodeId, row: &[u8]) -> Option<Sides> {
    let mut rest = unseal(&id.0, row)?;
    let tags: [u8; 3] = take(&mut rest)?;
    let mut nodes: [Option<Arc<Node>>; 3] = [const { None }; 3];
    for (at, tag) in tags.into_iter().enumerate() {
        if tag == HOLDERS[at] {
            nodes[at] = Some(Arc::new(take_node(&mut rest)?));
        } else if tag != NOWHERE {
            let first = HOLDERS[..at].iter().position(|holder| *holder == tag)?;
            nodes[at] = Some(nodes[first].clone()?);
        }
    }
    let [remote, synced, local] = nodes;
    let mut with_version = |node: Option<Arc<Node>>| match node {
        Some(node) => Some(Some((node, take_version(&mut rest)?))),
        None => Some(None),
    };
    let (remote, synced) = (with_version(remote)?, with_version(synced)?);
    rest.is_empty().then_some(Sides {
        remote: remote.map(|(node, version)| Item { node, version }),
        synced: synced.map(|(node, version)| Base { node, version }),
        local,
    })
}

/// Appends a node.
pub(super) fn put_node(node: &Node, into: &mut Vec<u8>) {
    let marked = if node.mark.is_some() { MARKED } else { 0 };
    match &node.kind {
        Kind::Dir => into.push(DIR | marked),
        Kind::File(file) => {
            into.push(FILE | marked);
            into.extend_from_slice(&file.content.hash.0);
            into.extend_from_slice(&file.content.size_bytes.to_le_bytes());
            into.push(file.content.depth);
            into.push(u8::from(file.exec));
            into.extend_from_slice(&file.mtime_ns.to_le_bytes());
        }
        Kind::Symlink(target) => {
            into.push(SYMLINK | marked);
            let len = u32::try_from(target.as_bytes().len()).expect("a target has at most 4096 bytes");
            into.extend_from_slice(&len.to_le_bytes());
            into.extend_from_slice(target.as_bytes());
        }
    }
    into.extend_from_slice(&node.parent.0);
    put_name(&node.name, into);
    if let Some(mark) = &node.mark {
        into.extend_from_slice(&mark.with.0);
        into.extend_from_slice(&mark.base.0.to_le_bytes());
        into.extend_from_slice(&mark.device.0);
        into.push(cause_to_byte(mark.cause));
        put_name(&mark.name, into);
    }
}

/// Returns the seal of bytes that belong to a key.
pub(crate) fn seal(key: &[u8], body: &[u8]) -> [u8; SEAL_LEN] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key);
    hasher.update(body);
    let mut seal = [0; SEAL_LEN];
    seal.copy_from_slice(&hasher.finalize().as_bytes()[..SEAL_LEN]);
    seal
}

/// Returns sealed bytes without their seal, or nothing when it is broken.
pub(crate) fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (body, found) = sealed.split_at_checked(sealed.len().checked_sub(SEAL_LEN)?)?;
    (seal(key, body) == found).then_some(body)
}

/// Takes a node from the front.
pub(super) fn take_node(rest: &mut &[u8]) -> Option<Node> {
    let [tag] = take(rest)?;
    let kind = match tag & !MARKED {
        DIR => Kind::Dir,
        FILE => Kind::File(take_file(rest)?),
        SYMLINK => {
            let len = usize::try_from(u32::from_le_bytes(take(rest)?)).ok()?;
            Kind::Symlink(Target::new(rest.split_off(..len)?).ok()?)
        }
        _ => return None,
    };
    let parent = NodeId(take(rest)?);
    let name = take_name(rest)?;
    let mark = if tag & MARKED == 0 {
        None
    } else {
        Some(Arc::new(take_mark(rest)?))
    };
    Some(Node {
        parent,
        name,
        kind,
        mark,
    })
}

fn take_file(rest: &mut &[u8]) -> Option<FileState> {
    let hash = Hash(take(rest)?);
    let size_bytes = u64::from_le_bytes(take(rest)?);
    let [depth, exec] = take(rest)?;
    let mtime_ns = i64::from_le_bytes(take(rest)?);
    Some(FileState {
        content: Content {
            hash,
            size_bytes,
            depth,
        },
        exec: exec != 0,
        mtime_ns,
    })
}

fn take_mark(rest: &mut &[u8]) -> Option<ConflictMark> {
    let with = NodeId(take(rest)?);
    let base = take_version(rest)?;
    let device = DeviceId(take(rest)?);
    let [cause] = take(rest)?;
    Some(ConflictMark {
        with,
        base,
        device,
        name: take_name(rest)?,
        cause: cause_of_byte(cause)?,
    })
}

fn put_name(name: &Name, into: &mut Vec<u8>) {
    let bytes = name.as_bytes();
    into.push(u8::try_from(bytes.len()).expect("a name has at most 255 bytes"));
    into.extend_from_slice(bytes);
}

fn take_name(rest: &mut &[u8]) -> Option<Name> {
    let [len] = take(rest)?;
    Name::new(rest.split_off(..usize::from(len))?).ok()
}

/// Takes a version from the front.
pub(super) fn take_version(rest: &mut &[u8]) -> Option<Version> {
    Some(Version(u64::from_le_bytes(take(rest)?)))
}

fn take<const LEN: usize>(rest: &mut &[u8]) -> Option<[u8; LEN]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

fn cause_to_byte(cause: ConflictCause) -> u8 {
    match cause {
        ConflictCause::BothEdited => 0,
        ConflictCause::SameName => 1,
        ConflictCause::KindSwapped => 2,
    }
}

fn cause_of_byte(byte: u8) -> Option<ConflictCause> {
    match byte {
        0 => Some(ConflictCause::BothEdited),
        1 => Some(ConflictCause::SameName),
        2 => Some(ConflictCause::KindSwapped),
        _ => None,
    }
}
