//! What people are told of changes, blocks and conflicts, in words that are safe to show. Each is written here once.

use std::collections::BTreeSet;

use common::words::plain;
use sync_engine::node::ConflictCause;
use sync_engine::{Block, RelPath};

use crate::notice::{ChangeKind, Trouble};

/// So many names are told at most of what in one directory can be no node.
const ODD_MAX: usize = 8;

/// Returns the word for what was done.
#[must_use]
pub fn kind_in_words(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Created => "created",
        ChangeKind::Edited => "edited",
        ChangeKind::Attributes => "attributes changed",
        ChangeKind::Moved => "moved",
        ChangeKind::Deleted => "deleted",
    }
}

/// Returns why a node is blocked, in words that are safe to show.
#[must_use]
pub fn block_in_words(block: &Block) -> String {
    match block {
        Block::Unreadable(reason) => {
            format!("it cannot be read or written: {}", plain(reason))
        }
        Block::UnsupportedType => "it is neither file nor directory nor symbolic link".to_owned(),
        Block::IllegalName => "this disk cannot hold the name".to_owned(),
        Block::NameClash(other) => format!("on this disk its name is taken by {other}"),
        Block::NoSymlinks => "this device cannot make symbolic links".to_owned(),
        Block::Busy => "it changes all the time".to_owned(),
        Block::Ignored => "the folder's rules leave it out".to_owned(),
        Block::Lacking => {
            "this computer had no descriptor or memory left to look at it; it is looked at again".to_owned()
        }
        Block::OtherFileSystem => "it is on another file system".to_owned(),
        Block::NoSpace => "there is not enough space on this computer's disk".to_owned(),
        Block::ServerFull => "there is not enough space on the server: its disk is full".to_owned(),
        Block::MissingContent => "the server lacks a part of it, or has it damaged".to_owned(),
        Block::Refused(reason) => format!("the server refused it: {}", plain(reason)),
        Block::Quota => "the account's quota on the server is used up".to_owned(),
        Block::NotEmpty => "it was deleted elsewhere, but holds what is not synchronised".to_owned(),
        Block::OtherFolder => "it is a synchronised folder of its own (.holdfast is in it)".to_owned(),
        Block::Store => "it is the store of a Holdfast server".to_owned(),
        Block::Secret => "it is a secret of a device, which is never sent".to_owned(),
        Block::Contains(odd) => format!("not all in it is synchronised: {}", plain(odd)),
    }
}

/// Says which parts of the private directory were removed by somebody and made again.
#[must_use]
pub fn made_again_in_words(removed: &BTreeSet<&'static str>) -> Trouble {
    let names: Vec<String> = removed.iter().map(|name| format!(".holdfast/{name}")).collect();
    let done = if removed.contains("stash") {
        "it was made again, and work goes on; what was taken out of the folder and kept there is gone, \
         but for what the server has in the history"
    } else {
        "it was made again, and work goes on; what was being downloaded is downloaded once more"
    };
    Trouble {
        what: format!(
            "{} was removed or replaced while the client ran",
            names.join(" and ")
        ),
        done: done.to_owned(),
        todo: "leave .holdfast to the client; `history` and `restore` bring back former versions".to_owned(),
    }
}

/// Says that there is no private directory to work with, and why.
#[must_use]
pub fn private_fault_in_words(reason: &str) -> Trouble {
    Trouble {
        what: reason.to_owned(),
        done: "what has to be written to the folder or removed from it waits; nothing is lost".to_owned(),
        todo: "take away what stands there, and see that .holdfast in the folder is yours; it is made again by itself"
            .to_owned(),
    }
}

/// Names what in a directory can be no node, with the reasons.
#[must_use]
pub fn odd_in_words(odd: &[(String, Block)]) -> String {
    let reason = |(name, block): &(String, Block)| match block {
        Block::Contains(reason) => format!("{name} ({reason})"),
        other => format!("{name} ({})", block_in_words(other)),
    };
    let mut words: Vec<String> = odd.iter().take(ODD_MAX).map(reason).collect();
    if let Some(more) = odd.len().checked_sub(ODD_MAX).filter(|more| 0 < *more) {
        words.push(format!("and {more} more"));
    }
    words.join(", ")
}

/// Says that another device has replaced the account's ID.
#[must_use]
pub fn id_replaced_in_words() -> Trouble {
    Trouble {
        what: "the account's ID was replaced on another device".to_owned(),
        done: "this device stays in the account; the ID and the link that it knows admit nobody any more, and are not shown"
            .to_owned(),
        todo: "run `id` or `link` on the device where it was replaced, or replace it once more here by `devices FOLDER \
               replace-id`"
            .to_owned(),
    }
}

/// Says that nothing is at a path.
#[must_use]
pub fn nothing_there_in_words(shown: &str) -> Trouble {
    Trouble {
        what: format!("there is no '{shown}' here or on the server"),
        done: "nothing was done".to_owned(),
        todo: "give the path as seen from the folder's root".to_owned(),
    }
}

/// Says why a name that is Holdfast's own is not synchronised.
pub const RESERVED: &str = "the name is Holdfast's own, in any case of its letters";

/// Names a path of the folder, or the folder itself.
#[must_use]
pub fn path_in_words(path: &RelPath) -> String {
    match path.0.is_empty() {
        true => ".".to_owned(),
        false => path.to_string(),
    }
}

/// Returns why there are two nodes, in words.
#[must_use]
pub fn cause_in_words(cause: ConflictCause) -> &'static str {
    match cause {
        ConflictCause::BothEdited => "both sides edited it",
        ConflictCause::SameName => "two were given one name",
        ConflictCause::KindSwapped => {
            "one side edited it, the other put something of another type in its place"
        }
    }
}
