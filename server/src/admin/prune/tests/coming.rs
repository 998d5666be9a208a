//! What stands on an old chunk while it is not committed yet, and lists whose parts are gone.

use super::super::collect::{find, note_missing};
use super::{World, cut, file_of, node, policy};
use crate::admin::verify;
use crate::chunk;
use crate::store::{ChunkState, Draft, Durability, Metadata, Records, Store, StoreError};
use crate::writer::take_chunks;
use common::message::Attachment;
use sync_engine::{Change, Content, Hash, NodeId};

/// A file whose first chunk is old and named by nothing: the rest of it, and its list, come later.
fn upload_on_an_old_chunk(world: &World) -> (Vec<Attachment>, Content) {
    let (attachments, content) = cut(&[[8; 1000], [9; 1000]].concat());
    world.put(&attachments[..1]);
    world.prune(1);
    (attachments, content)
}

fn commit_late(world: &World, content: Content) {
    world.commit(&Change::Create {
        id: NodeId([1; 16]),
        node: node("late", file_of(content)),
    });
    for _ in 0..3 {
        world.prune(1);
    }
    assert!(world.can_read(content));
}

#[test]
fn an_old_chunk_is_spared_when_a_list_that_may_be_coming_names_it() {
    let world = World::new();
    let (attachments, content) = upload_on_an_old_chunk(&world);
    world.put(&attachments[1..]);
    assert_eq!(world.prune(1).condemned.n_chunks, 0);
    commit_late(&world, content);
}

#[test]
fn an_old_chunk_is_spared_when_a_list_that_names_it_comes_while_the_store_is_looked_through() {
    let world = World::new();
    let (attachments, content) = upload_on_an_old_chunk(&world);
    let mut work = find(&world.store, world.account, &policy(1), 1).unwrap().unwrap();
    world.put(&attachments[1..]);
    while work.go_on(&world.store).unwrap() {}
    assert_eq!(work.collected.condemned.n_chunks, 0);
    world.assert_sound();
    commit_late(&world, content);
}

#[test]
fn an_old_chunk_is_spared_when_a_list_that_names_it_is_healed_meanwhile() {
    let world = World::new();
    let (attachments, content) = upload_on_an_old_chunk(&world);
    world.put(&attachments[1..]);
    let set = |hash: Hash, state| {
        let write = |draft: &dyn Draft| {
            let row = draft.chunk(world.account, &hash)?.unwrap();
            draft.set_chunk_state(world.account, &row, state)
        };
        world.store.metadata.write(Durability::Flushed, write).unwrap();
    };
    // The second chunk was found damaged, so the list counts as missing; then it comes again.
    let damaged = attachments[1].head.hash;
    set(damaged, ChunkState::Damaged);
    set(content.hash, ChunkState::Incomplete);
    let mut work = find(&world.store, world.account, &policy(1), 1).unwrap().unwrap();
    world.put(&attachments[1..2]);
    assert_eq!(world.state(content), Some(ChunkState::Whole));
    while work.go_on(&world.store).unwrap() {}
    world.assert_sound();
    commit_late(&world, content);
}

#[test]
fn what_is_condemned_is_taken_back_by_nobody_who_read_it_before() {
    let world = World::new();
    let (attachments, _) = upload_on_an_old_chunk(&world);
    let hash = attachments[0].head.hash;
    let row = || {
        world
            .store
            .metadata
            .read(|records| records.chunk(world.account, &hash))
            .unwrap()
    };
    let before = row().unwrap();
    world.prune(1);
    let condemned = row().unwrap();
    assert_eq!(condemned.state, ChunkState::Condemned);
    let write = |work: &dyn Fn(&dyn Draft) -> Result<(), StoreError>| {
        world
            .store
            .metadata
            .write(Durability::Flushed, |draft| work(draft))
            .unwrap();
    };
    for state in [ChunkState::Whole, ChunkState::Damaged, ChunkState::Incomplete] {
        write(&|draft| draft.set_chunk_state(world.account, &before, state));
        assert_eq!(row().unwrap().state, ChunkState::Condemned);
    }
    write(&|draft| draft.set_chunk_state(world.account, &condemned, ChunkState::Whole));
    // And whoever read it as condemned does not drop what was taken back.
    write(&|draft| draft.drop_chunk(world.account, &condemned));
    assert_eq!(row().unwrap().state, ChunkState::Whole);
}

#[test]
fn a_list_whose_part_is_gone_counts_as_missing_and_comes_again() {
    for is_found_by_prune in [true, false] {
        let world = World::new();
        let bytes = [[1; 1000], [2; 1000]].concat();
        let (_, content) = world.write(1, None, &bytes);
        let (attachments, _) = cut(&bytes);
        let drop_first = |draft: &dyn Draft| {
            let row = draft.chunk(world.account, &attachments[0].head.hash)?.unwrap();
            draft.drop_chunk(world.account, &row)
        };
        world
            .store
            .metadata
            .write(Durability::Flushed, drop_first)
            .unwrap();
        if is_found_by_prune {
            let found = find(&world.store, world.account, &policy(1), 100).unwrap();
            assert!(found.is_none());
            note_missing(&world.store, world.account).unwrap();
        } else {
            verify::verify(&world.store).unwrap_err();
        }
        assert_eq!(world.state(content), Some(ChunkState::Incomplete));
        let read = |records: &dyn Records| {
            let has = records.has_content(world.account, &content)?;
            Ok((has, records.lacking(world.account, 10)?))
        };
        assert_eq!(
            world.store.metadata.read(read).unwrap(),
            (false, vec![content.hash])
        );
        world.put(&attachments);
        world.assert_sound();
        assert!(world.can_read(content));
    }
}

#[test]
fn what_nobody_needs_may_be_damaged_and_goes() {
    let world = World::new();
    world.versions(1, 1);
    let (attachments, _) = upload_on_an_old_chunk(&world);
    let damage = |draft: &dyn Draft| {
        let row = draft.chunk(world.account, &attachments[0].head.hash)?.unwrap();
        draft.set_chunk_state(world.account, &row, ChunkState::Damaged)
    };
    world.store.metadata.write(Durability::Flushed, damage).unwrap();
    assert_eq!(world.prune(1).condemned.n_chunks, 1);
    assert_eq!(world.prune(1).dropped.n_chunks, 1);
}

#[test]
fn an_old_list_above_what_a_crash_took_again_counts_as_missing() {
    let World {
        _directory: directory,
        store,
        account,
    } = World::new();
    let (attachments, content) = cut(&[[8; 1000], [9; 1000]].concat());
    let chunks: Vec<_> = attachments
        .into_iter()
        .map(|attachment| chunk::verify(attachment).unwrap())
        .collect();
    // An upload that was never committed, a part of it damaged.
    let write = |work: &dyn Fn(&dyn Draft) -> Result<(), StoreError>| {
        store
            .metadata
            .write(Durability::Flushed, |draft| work(draft))
            .unwrap();
    };
    let row = |draft: &dyn Records, hash| draft.chunk(account, &hash).map(Option::unwrap);
    let damaged = chunks[0].head.hash;
    write(&|draft| {
        take_chunks(draft, &store.packs, account, None, &chunks)?;
        draft.set_flushed(crate::store::Blobs::flush(&store.packs)?)?;
        draft.set_chunk_state(account, &row(draft, damaged)?, ChunkState::Damaged)?;
        draft.set_chunk_state(account, &row(draft, content.hash)?, ChunkState::Incomplete)
    });
    // It comes again, and is lost in a crash before the packs are flushed.
    write(&|draft| take_chunks(draft, &store.packs, account, None, &chunks[..1]).map(drop));
    let read = |records: &dyn Records| Ok((row(records, damaged)?, row(records, content.hash)?));
    let (again, list) = store.metadata.read(read).unwrap();
    assert_eq!((again.state, list.state), (ChunkState::Whole, ChunkState::Whole));
    drop(store);
    let pack = directory.path().join("data/packs/00000001.pack");
    let len = again.place.offset;
    std::fs::OpenOptions::new()
        .write(true)
        .open(pack)
        .and_then(|file| file.set_len(len))
        .unwrap();
    let store = Store::open(&directory.path().join("data")).unwrap();
    let read = |records: &dyn Records| Ok((records.chunk(account, &damaged)?, row(records, content.hash)?));
    let (gone, list) = store.metadata.read(read).unwrap();
    assert_eq!((gone, list.state), (None, ChunkState::Incomplete));
}

#[test]
fn what_was_given_up_comes_again_and_is_lost_in_a_crash_is_no_damage() {
    let world = World::new();
    let (old, content) = world.write(1, None, &[8; 1000]);
    world.write(1, Some(old), &[9; 1000]);
    // The first run condemns what it was made of, which comes again, and is lost in a crash before the packs are flushed.
    world.prune(1);
    let World {
        _directory: directory,
        store,
        account,
    } = world;
    let (attachments, _) = cut(&[8; 1000]);
    let chunks: Vec<_> = attachments
        .into_iter()
        .map(|attachment| chunk::verify(attachment).unwrap())
        .collect();
    store
        .metadata
        .write(Durability::Flushed, |draft| {
            take_chunks(draft, &store.packs, account, None, &chunks).map(drop)
        })
        .unwrap();
    let row = |store: &Store| {
        store
            .metadata
            .read(|records| records.chunk(account, &content.hash))
            .unwrap()
    };
    let again = row(&store).unwrap();
    assert_eq!(again.state, ChunkState::Whole);
    drop(store);
    let pack = directory.path().join("data/packs/00000001.pack");
    std::fs::OpenOptions::new()
        .write(true)
        .open(pack)
        .and_then(|file| file.set_len(again.place.offset))
        .unwrap();
    let store = Store::open(&directory.path().join("data")).unwrap();
    assert_eq!(row(&store), None);
    assert_eq!(verify::look(&store).unwrap().damages, [""; 0]);
}
