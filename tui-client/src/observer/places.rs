//! Looks at single places of the folder, each together with the directory that the path leads through.

use sync_engine::{Block, RelPath};

use super::doubt::Doubt;
use super::explore::explore;
use super::finding::Look;
use crate::disk::{Held, Print, Root, Sight};
use crate::rules::{Rules, odd_rules};

/// Looks at a place, if possible in the directory that is held since the look before.
pub(super) fn look_held(root: &Root, held: &mut Option<Held>, path: RelPath) -> Look {
    if held.as_ref().is_none_or(|held| !held.holds(&path)) {
        *held = root.hold_parent(&path);
    }
    let sight = held
        .as_ref()
        .and_then(|held| Some((held.look(&path)?, held.print())));
    match sight {
        Some((sight, parent)) => Look {
            path,
            sight,
            parent,
            doubt: Doubt::None,
            deep: false,
            is_walked: false,
            inside: None,
        },
        None => look(root, path),
    }
}

/// Looks at a place. What is seen counts only together with the directory that the path led through.
pub(super) fn look(root: &Root, path: RelPath) -> Look {
    let before = parent_print(root, &path);
    let sight = root.look_exactly(&path);
    let after = match sight {
        Sight::Absent => parent_print(root, &path),
        Sight::File(_) | Sight::Dir(_) | Sight::Symlink(..) | Sight::Other(_) | Sight::Unknown(_) => before,
    };
    let same = before.map(|print| print.identity()) == after.map(|print| print.identity());
    Look {
        path,
        sight: if same { sight } else { Sight::Unknown(Block::Busy) },
        parent: before,
        doubt: Doubt::None,
        deep: false,
        is_walked: false,
        inside: None,
    }
}

/// Tells whether what is inside a directory is looked at.
pub(super) fn is_entered(rules: &Rules, path: &RelPath, sight: &Sight) -> bool {
    !rules.ignores(path, true) && odd_rules(path, sight).is_none()
}

/// Looks at what is inside a directory as well.
pub(super) fn look_inside(root: &Root, rules: &Rules, print: Print, look: &mut Look) {
    look.inside = explore(root, rules, &look.path, &print);
    if look.inside.is_none() {
        look.sight = Sight::Unknown(Block::Busy);
    }
}

/// Returns the print of the directory that a path leads through; nothing for the root, and where there is none.
pub(super) fn parent_print(root: &Root, path: &RelPath) -> Option<Print> {
    let (parent, _) = path.split_last().filter(|(parent, _)| !parent.0.is_empty())?;
    root.look(&parent).print().copied()
}
