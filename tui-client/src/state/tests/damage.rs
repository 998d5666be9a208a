//! A damaged memory: found, moved aside, replaced, and never believed.

use super::*;

/// Saves some nodes, damages the file, and returns what is loaded then.
fn after_damage(damage: impl FnOnce(&mut Vec<u8>)) -> Loaded {
    let folder = Folder::new();
    let (mut state, _) = folder.open();
    state.save(&synced_files(200)).unwrap();
    state.finish().unwrap();
    let mut bytes = fs::read(folder.path()).unwrap();
    damage(&mut bytes);
    fs::write(folder.path(), &bytes).unwrap();
    let (mut state, loaded) = folder.open();
    if let Origin::Lost { aside, .. } = &loaded.origin {
        assert_eq!(
            fs::read(aside).unwrap(),
            bytes,
            "the damaged file is kept as it was"
        );
    }
    // Whatever happened, the memory works again.
    state.save(&synced_files(200)).unwrap();
    drop(state);
    assert_eq!(folder.open().1.origin, Origin::Kept);
    loaded
}

#[test]
fn a_file_cut_short_is_lost_and_replaced() {
    assert!(after_damage(|bytes| bytes.truncate(bytes.len() / 2)).lost());
    assert!(after_damage(|bytes| bytes.truncate(100)).lost());
    assert!(after_damage(|bytes| bytes.truncate(bytes.len() - 4096)).lost());
}

#[test]
fn a_file_of_zeros_or_of_something_else_is_lost_and_replaced() {
    assert!(after_damage(|bytes| bytes.fill(0)).lost());
    assert!(after_damage(|bytes| bytes[8192..12288].fill(0)).lost());
    assert!(after_damage(|bytes| *bytes = b"something else entirely\n".repeat(50)).lost());
}

#[test]
fn an_empty_file_is_a_fresh_memory() {
    assert_eq!(after_damage(Vec::clear).origin, Origin::Fresh);
}

#[test]
fn a_tree_is_never_believed_that_nobody_saw() {
    let (_, sound) = {
        let folder = Folder::new();
        let (mut state, _) = folder.open();
        state.save(&synced_files(200)).unwrap();
        drop(state);
        folder.open()
    };
    for seed in 0_u64..40 {
        let loaded = after_damage(|bytes| {
            let at = blake3::hash(&seed.to_le_bytes());
            let at = u64::from_le_bytes(at.as_bytes()[..8].try_into().unwrap());
            let at = usize::try_from(at % (bytes.len() as u64)).unwrap();
            bytes[at] ^= 1 << (seed % 8);
        });
        assert!(loaded.lost() || loaded.trees == sound.trees, "seed {seed}");
    }
}

#[test]
fn damaged_files_are_kept_but_not_without_end() {
    let folder = Folder::new();
    for _ in 0..6 {
        fs::write(folder.path(), b"not a database, but long enough to look at").unwrap();
        assert!(folder.open().1.lost());
    }
    let n_aside = fs::read_dir(folder.dir.path())
        .unwrap()
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().contains("damaged")
        })
        .count();
    assert_eq!(n_aside, 3);
}

#[test]
fn an_invalid_tree_in_the_file_counts_as_damage() {
    let folder = Folder::new();
    let (mut state, _) = folder.open();
    let orphan = node(id(9), "orphan", Kind::Dir);
    let delta = Delta {
        nodes: vec![(id(1), here(orphan))],
        ..Delta::default()
    };
    state.save(&delta).unwrap();
    drop(state);
    assert!(folder.open().1.lost());
    assert_eq!(folder.open().1.trees.local(), &Tree::new());
}

#[test]
fn an_id_that_is_damaged_anywhere_is_found() {
    let mut n_lost = 0;
    // It is in its row and in the index, and maybe where something was before that nobody reads.
    for place in 0..4 {
        let loaded = after_damage(|bytes| {
            let wanted = id(77).0;
            let mut places = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(&wanted));
            if let Some(at) = places.nth(place) {
                bytes[at + 3] ^= 0x80;
            }
        });
        n_lost += usize::from(loaded.lost());
    }
    assert_eq!(n_lost, 2);
}
