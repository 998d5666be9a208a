//! A server that is put back to an older state: the devices send it what it lost, as the plain changes that these are.

use crate::fleet::{Fleet, is_same};
use crate::random::prove;
use crate::user::{User, file, name};
use proptest::prelude::*;
use sync_engine::{Kind, NodeId};

/// Something that a user does, which takes nothing away.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Make { is_dir: bool, into: u8 },
    Write(u8),
    Move { what: u8, into: u8 },
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        2 => (any::<bool>(), any::<u8>()).prop_map(|(is_dir, into)| Deed::Make { is_dir, into }),
        4 => any::<u8>().prop_map(Deed::Write),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(what, into)| Deed::Move { what, into }),
    ]
}

/// Does something under names that nothing ever had.
fn carry_out(user: &mut User<'_>, deed: Deed, fresh: &str) {
    let all: Vec<NodeId> = user.disk.iter().map(|(id, _)| id).collect();
    let is_dir = |id: &NodeId| user.disk.is_dir(*id);
    let (mut dirs, files): (Vec<NodeId>, Vec<NodeId>) = all.iter().partition(|id| is_dir(id));
    dirs.push(NodeId::ROOT);
    let pick = |from: &[NodeId], n: u8| (!from.is_empty()).then(|| from[usize::from(n) % from.len()]);
    match deed {
        Deed::Make { is_dir, into } => {
            let kind = if is_dir { Kind::Dir } else { file(fresh) };
            user.make(dirs[usize::from(into) % dirs.len()], name(fresh), kind);
        }
        Deed::Write(what) => {
            if let Some(id) = pick(&files, what) {
                user.write(id, file(fresh));
            }
        }
        Deed::Move { what, into } => {
            if let Some(id) = pick(&all, what) {
                user.rename(id, dirs[usize::from(into) % dirs.len()], name(fresh));
            }
        }
    }
}

/// Lets users do things one after the other, each knowing of all that was done before.
fn work(fleet: &mut Fleet, deeds: &[(usize, Deed)], title: &str) {
    for (at, (n, deed)) in deeds.iter().enumerate() {
        fleet.user(*n, |user| carry_out(user, *deed, &format!("{title} {at}")));
        fleet.settle();
    }
}

#[test]
fn what_a_server_lost_is_sent_again_without_a_conflict() {
    let deeds = prop::collection::vec((0usize..2, deed()), 1..20);
    prove(
        (deeds, any::<prop::sample::Index>(), 0usize..2),
        |(deeds, at, first)| {
            let mut fleet = Fleet::new(u64::MAX);
            work(&mut fleet, deeds, "before");
            let before = fleet.ledger.tree.clone();
            fleet.put_back(at.index(fleet.ledger.entries.len() + 1));
            // The server knows only of their past, and takes them for copies.
            fleet.members.iter_mut().for_each(|member| member.session.doubt());
            fleet.meet(*first);
            fleet.settle();
            assert!(is_same(&before, &fleet.ledger.tree), "something is not as it was");
            assert_eq!(fleet.n_conflicts(), 0);
        },
    );
}

#[test]
fn who_comes_after_others_have_gone_on_makes_no_conflict() {
    let deeds = || prop::collection::vec((0usize..2, deed()), 1..12);
    let cases = (deeds(), any::<prop::sample::Index>(), 0usize..2, deeds());
    prove(cases, |(deeds, at, first, later)| {
        let mut fleet = Fleet::new(u64::MAX);
        work(&mut fleet, deeds, "before");
        fleet.put_back(at.index(fleet.ledger.entries.len() + 1));
        fleet.meet(*first);
        for (at, (_, deed)) in later.iter().enumerate() {
            fleet.user(*first, |user| carry_out(user, *deed, &format!("later {at}")));
            fleet.meet(*first);
        }
        let after = fleet.members[*first].disk.clone();
        fleet.settle();
        assert!(is_same(&after, &fleet.ledger.tree), "something is not as it was");
        assert_eq!(fleet.n_conflicts(), 0);
    });
}
