//! Stores with a history, and what is left of them.

mod beside;
mod coming;

use super::DAY_MS;
use super::collect::{Collected, find};
use super::retention::Policy;
use super::run::{Run, Step};
use crate::admin::verify;
use crate::chunk;
use crate::content::write_content;
use crate::journal::JournalEnd;
use crate::store::{
    AccountKey, Blobs, ChunkState, Clock, Durability, Metadata, Store, StoreError, SystemClock,
};
use crate::writer::take_chunks;
use common::list::ListBuilder;
use common::message::Attachment;
use std::sync::Arc;
use sync_engine::node::ConflictCause;
use sync_engine::{
    Change, ConflictMark, Content, DeviceId, FileState, Hash, Kind, Name, Node, NodeId, Version,
};
use tempfile::TempDir;

const DEVICE: DeviceId = DeviceId([1; 16]);
const LATER: u64 = 40 * DAY_MS;

struct World {
    _directory: TempDir,
    store: Store,
    account: AccountKey,
}

impl World {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let store = Store::open(&directory.path().join("data")).unwrap();
        let account = store
            .metadata
            .write(Durability::Flushed, |draft| {
                draft.add_account(&Hash::of(b"id"), 0)
            })
            .unwrap();
        Self {
            _directory: directory,
            store,
            account,
        }
    }

    fn put(&self, attachments: &[Attachment]) {
        let chunks: Vec<_> = attachments
            .iter()
            .cloned()
            .map(|a| chunk::verify(a).unwrap())
            .collect();
        self.store
            .metadata
            .write(Durability::Flushed, |draft| {
                let taken = take_chunks(draft, &self.store.packs, self.account, None, &chunks)?;
                assert_eq!(taken.incomplete, []);
                draft.set_flushed(self.store.packs.flush()?)
            })
            .unwrap();
    }

    fn commit(&self, change: &Change) -> Version {
        self.store
            .metadata
            .write(Durability::Flushed, |draft| {
                let mut end = JournalEnd::open(draft, self.account)?;
                end.append(DEVICE, change)?.unwrap();
                end.finish()
            })
            .unwrap()
    }

    /// Makes a version of a file and returns its content.
    fn write(&self, n: u8, base: Option<Version>, bytes: &[u8]) -> (Version, Content) {
        let (attachments, content) = cut(bytes);
        self.put(&attachments);
        let kind = file_of(content);
        let id = NodeId([n; 16]);
        let change = match base {
            None => Change::Create {
                id,
                node: node(&format!("file {n}"), kind),
            },
            Some(base) => Change::Update { id, base, kind },
        };
        (self.commit(&change), content)
    }

    /// Makes so many versions of a file.
    fn versions(&self, n: u8, count: u8) -> Vec<(Version, Content)> {
        let mut made: Vec<(Version, Content)> = Vec::new();
        for version in 0..count {
            let base = made.last().map(|(version, _)| *version);
            made.push(self.write(n, base, &[&[n, version][..], &[7; 3000]].concat()));
        }
        made
    }

    fn prune_by(&self, policy: &Policy) -> Collected {
        let mut run = Run::begin(&self.store, *policy, 7).unwrap();
        let mut all = None;
        loop {
            match run.go_on().unwrap() {
                Step::Going => (),
                Step::Collected(_, collected) => all = Some(collected),
                Step::Troubled(account) => panic!("account {account:?} is damaged"),
                Step::Done(_) => break,
            }
        }
        let collected = all.unwrap();
        self.assert_sound();
        collected
    }

    fn prune(&self, n_versions: usize) -> Collected {
        self.prune_by(&policy(n_versions))
    }

    fn can_read(&self, content: Content) -> bool {
        let mut bytes = Vec::new();
        match write_content(&self.store, self.account, &content, &mut bytes) {
            Ok(()) => {
                assert_eq!(cut(&bytes).1, content);
                true
            }
            Err(StoreError::GivenUp { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }

    fn assert_sound(&self) {
        assert_eq!(verify::look(&self.store).unwrap().damages, [""; 0]);
    }

    fn state(&self, content: Content) -> Option<ChunkState> {
        let row = self
            .store
            .metadata
            .read(|records| records.chunk(self.account, &content.hash));
        row.unwrap().map(|row| row.state)
    }
}

fn policy(n_versions: usize) -> Policy {
    Policy {
        age_ms: 30 * DAY_MS,
        n_versions,
        drop_deleted: false,
        now_ms: SystemClock.now_ms() + LATER,
    }
}

fn node(name: &str, kind: Kind) -> Node {
    Node {
        parent: NodeId::ROOT,
        name: Name::try_from(name).unwrap(),
        kind,
        mark: None,
    }
}

fn file_of(content: Content) -> Kind {
    Kind::File(FileState {
        content,
        exec: false,
        mtime_ns: 0,
    })
}

/// Cuts bytes into chunks of 1000, with lists above them if there is more than one.
fn cut(bytes: &[u8]) -> (Vec<Attachment>, Content) {
    let mut builder = ListBuilder::new();
    let (mut all, mut lists) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(1000) {
        lists.extend(builder.push(Hash::of(piece), piece.len() as u64).unwrap());
        all.push(Attachment::data(piece.to_vec().into()));
    }
    let (rest, content) = builder.finish().unwrap();
    lists.extend(rest);
    all.extend(lists.into_iter().map(|list| Attachment::list(list.bytes.into())));
    (all, content)
}

#[test]
fn what_is_old_and_has_enough_newer_versions_is_gone_after_two_runs() {
    let world = World::new();
    let made = world.versions(1, 6);
    let first = world.prune(2);
    assert_eq!((first.n_given_up, first.dropped.n_chunks), (4, 0));
    // Four lists, and of each version the one chunk that no other has.
    assert_eq!(first.condemned.n_chunks, 8);
    let second = world.prune(2);
    assert_eq!(
        (
            second.n_given_up,
            second.dropped.n_chunks,
            second.condemned.n_chunks
        ),
        (0, 8, 0)
    );
    for (index, (_, content)) in made.iter().enumerate() {
        assert_eq!(world.can_read(*content), 4 <= index, "version {index}");
    }
    let row = world
        .store
        .metadata
        .read(|records| records.account(world.account))
        .unwrap()
        .unwrap();
    // Two chunks that differ, two that both versions share, and two lists.
    let kept = 2 * 1000 + 1000 + 2 + 6 * 192;
    assert!(
        (kept..kept + 500).contains(&row.stored_bytes),
        "{}",
        row.stored_bytes
    );
}

#[test]
fn neither_age_nor_number_alone_gives_anything_up() {
    let world = World::new();
    let made = world.versions(1, 12);
    for policy in [
        policy(12),
        Policy {
            now_ms: SystemClock.now_ms() + 29 * DAY_MS,
            ..policy(1)
        },
    ] {
        assert_eq!(world.prune_by(&policy).n_given_up, 0);
        world.prune_by(&policy);
    }
    assert!(made.iter().all(|(_, content)| world.can_read(*content)));
}

#[test]
fn no_clock_makes_less_be_kept_than_the_newest_versions_of_each_file() {
    let world = World::new();
    let (kept, deleted) = (world.versions(1, 5), world.versions(2, 5));
    world.commit(&Change::Delete {
        id: NodeId([2; 16]),
        base: deleted[4].0,
    });
    for now_ms in [u64::MAX, 0, u64::MAX, 0, u64::MAX] {
        world.prune_by(&Policy { now_ms, ..policy(3) });
    }
    for made in [kept, deleted.clone()] {
        let readable: Vec<bool> = made.iter().map(|(_, content)| world.can_read(*content)).collect();
        assert_eq!(readable, [false, false, true, true, true]);
    }
    let drop_deleted = Policy {
        drop_deleted: true,
        ..policy(3)
    };
    world.prune_by(&drop_deleted);
    world.prune_by(&drop_deleted);
    assert!(deleted.iter().all(|(_, content)| !world.can_read(*content)));
}

#[test]
fn what_a_conflict_began_with_is_kept_as_long_as_it_stands() {
    let world = World::new();
    let made = world.versions(1, 5);
    let (_, content) = world.write(2, None, b"the other side");
    let mark = ConflictMark {
        with: NodeId([1; 16]),
        base: made[1].0,
        device: DEVICE,
        name: Name::try_from("file 1").unwrap(),
        cause: ConflictCause::BothEdited,
    };
    let id = NodeId([3; 16]);
    let copy = Node {
        mark: Some(Arc::new(mark)),
        ..node("file 1 (conflict)", file_of(content))
    };
    let base = world.commit(&Change::Create { id, node: copy });
    world.prune(1);
    world.prune(1);
    let readable = || {
        made.iter()
            .map(|(_, content)| world.can_read(*content))
            .collect::<Vec<_>>()
    };
    assert_eq!(readable(), [false, true, false, false, true]);
    world.commit(&Change::Mark { id, base, mark: None });
    world.prune(1);
    assert_eq!(readable(), [false, false, false, false, true]);
}

#[test]
fn an_upload_under_way_is_spared_by_the_run_that_comes_upon_it() {
    let world = World::new();
    let (attachments, content) = cut(&[9; 2500]);
    world.put(&attachments);
    assert_eq!(world.prune(1).condemned.n_chunks, 0);
    assert_eq!(world.state(content), Some(ChunkState::Whole));
    assert_eq!(world.prune(1).condemned.n_chunks, attachments.len() - 1);
    assert_eq!(world.state(content), Some(ChunkState::Condemned));
    assert!(
        !world
            .store
            .metadata
            .read(|records| records.has_content(world.account, &content))
            .unwrap()
    );
    // The device comes back after all: what counts as missing it brings again.
    world.put(&attachments);
    world.commit(&Change::Create {
        id: NodeId([1; 16]),
        node: node("late", file_of(content)),
    });
    world.prune(1);
    world.prune(1);
    assert!(world.can_read(content));
}

#[test]
fn what_a_commit_names_while_the_store_is_looked_through_is_not_condemned() {
    let world = World::new();
    let (attachments, content) = cut(&[9; 2500]);
    world.put(&attachments);
    world.prune(1);
    let mut work = find(&world.store, world.account, &policy(1), 100)
        .unwrap()
        .unwrap();
    world.commit(&Change::Create {
        id: NodeId([1; 16]),
        node: node("late", file_of(content)),
    });
    while work.go_on(&world.store).unwrap() {}
    assert_eq!(work.collected.condemned.n_chunks, 0);
    assert!(world.can_read(content));
    world.assert_sound();
}

#[test]
fn what_was_condemned_is_kept_after_all_when_the_next_run_keeps_more() {
    let world = World::new();
    let made = world.versions(1, 6);
    world.prune(1);
    assert!(0 < world.prune(6).n_pardoned);
    assert!(made.iter().all(|(_, content)| world.can_read(*content)));
    world.prune(6);
    assert!(made.iter().all(|(_, content)| world.can_read(*content)));
}

#[test]
fn a_version_that_was_given_up_and_comes_again_is_whole_again() {
    let world = World::new();
    let made = world.versions(1, 3);
    world.prune(1);
    world.prune(1);
    assert!(!world.can_read(made[0].1));
    let (_, again) = world.write(1, Some(made[2].0), &[&[1, 0][..], &[7; 3000]].concat());
    assert_eq!(again, made[0].1);
    assert!(world.can_read(again));
    world.assert_sound();
}

#[test]
fn nothing_is_collected_where_something_that_is_kept_is_damaged() {
    let world = World::new();
    let made = world.versions(1, 3);
    let row = world
        .store
        .metadata
        .read(|records| records.chunk(world.account, &made[2].1.hash))
        .unwrap()
        .unwrap();
    world
        .store
        .metadata
        .write(Durability::Flushed, |draft| {
            draft.set_chunk_state(world.account, &row, ChunkState::Damaged)
        })
        .unwrap();
    assert!(
        find(&world.store, world.account, &policy(1), 100)
            .unwrap()
            .is_none()
    );
}

/// A small generator of numbers that repeats itself.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[test]
fn whatever_is_written_and_pruned_in_whatever_order_all_that_is_promised_can_be_read() {
    for seed in 0..6 {
        let mut dice = Dice(seed);
        let world = World::new();
        let mut files: Vec<Vec<(Version, Content)>> = vec![Vec::new(); 4];
        let mut n_least = vec![0_usize; 4];
        for _ in 0..60 {
            let n = usize::try_from(dice.roll(4)).unwrap();
            match dice.roll(6) {
                0 => {
                    let n_versions = usize::try_from(1 + dice.roll(4)).unwrap();
                    world.prune(n_versions);
                    n_least
                        .iter_mut()
                        .for_each(|least| *least = (*least).min(n_versions));
                }
                1 => {
                    let bytes = vec![u8::try_from(dice.roll(250)).unwrap(); 2500];
                    world.put(&cut(&bytes).0[..2]);
                }
                _ => {
                    // Few contents, so that files share chunks and old contents come again.
                    let bytes: Vec<u8> = (0..4)
                        .flat_map(|_| vec![u8::try_from(dice.roll(3)).unwrap(); 1000])
                        .collect();
                    let base = files[n].last().map(|(version, _)| *version);
                    let number = u8::try_from(n + 1).unwrap();
                    files[n].push(world.write(number, base, &bytes));
                    n_least[n] += 1;
                }
            }
            for (versions, least) in files.iter().zip(&n_least) {
                for (_, content) in versions.iter().rev().take(*least) {
                    assert!(world.can_read(*content), "seed {seed}");
                }
            }
        }
        world.assert_sound();
    }
}
