//! The brake: a plan that would remove or overwrite a large part of a folder waits for a person. Only the removals wait.

use super::wanted::{Hold, Wanted};
use crate::{Bug, NodeId, planted};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// So many removals never need a person.
const REMOVALS_FREE: usize = 50;

/// Says what waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Brake {
    /// How many nodes would be removed, with those that were lately.
    pub removals: usize,
    /// How many nodes there were before.
    pub nodes: usize,
}

/// What is known of removals besides the trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Removals {
    /// How many nodes this device has had removed from the account lately: a large removal that is seen bit by bit is one.
    pub n_lately: usize,
    /// Whether removals wait for now, since more of them may follow at once.
    pub is_held: bool,
    /// Whether a person has confirmed that much may be removed: the brake is off.
    pub is_confirmed: bool,
}

/// Takes removals out of what is wanted of the account, if they are too many or are to wait.
///
/// Only what this device would remove from the account is counted. What comes from the account was let through by the
/// brake of the device that removed it, and is in the history.
pub(super) fn apply(wanted: &mut Wanted<'_>) -> Option<Brake> {
    let Removals {
        n_lately,
        is_held,
        is_confirmed,
    } = wanted.policy.removals;
    let is_confirmed = is_confirmed || planted(Bug::BrakeOff);
    if is_confirmed && !is_held {
        return None;
    }
    let trees = wanted.trees;
    let gone = |id: NodeId| trees.local().node(id).is_none() && trees.remote().node(id).is_some();
    let removals: Vec<NodeId> = wanted
        .map
        .iter()
        .filter(|(id, want)| want.hold == Hold::Free && want.node.is_none() && gone(**id))
        .map(|(id, _)| *id)
        .collect();
    let (n, nodes) = (removals.len() + n_lately, trees.n_bases() + n_lately);
    let n_free = REMOVALS_FREE.max(nodes / 4);
    let is_much = n_free < n || n_free == n && planted(Bug::BrakeOneTooSoon);
    let is_all = 2 <= n && trees.local().is_empty();
    let stops = !is_confirmed && (is_much || is_all);
    if removals.is_empty() || !(stops || is_held) {
        return None;
    }
    for id in removals {
        if let Some(want) = wanted.map.get_mut(&id) {
            want.hold = Hold::Braked;
        }
    }
    stops.then_some(Brake { removals: n, nodes })
}
