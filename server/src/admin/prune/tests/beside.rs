//! A collection and a verification, step by step, beside devices that bring, commit, replace and delete: in whatever
//! order, and wherever they end.

use super::super::retention::Policy;
use super::super::run::{Run, Step};
use super::{DEVICE, Dice, LATER, World, cut, file_of, node};
use crate::admin::verify::{self, Found};
use crate::chunk;
use crate::damage::{Damage, all_here, read_parts};
use crate::journal::JournalEnd;
use crate::store::{ChunkRow, ChunkState, Clock, Draft, Durability, Metadata, Records, SystemClock};
use crate::writer::take_chunks;
use common::message::Attachment;
use sync_engine::{Change, Content, NodeId, Version};

/// Files that there are at a time.
const FILES: u64 = 4;

/// A file, and what it had.
#[derive(Default)]
struct File {
    /// Its id, as long as it is there.
    id: Option<NodeId>,
    versions: Vec<(Version, Content)>,
    /// So many of the newest are promised.
    n_promised: usize,
}

struct Play<'w> {
    world: &'w World,
    /// All that was ever committed.
    ever: Vec<Vec<Attachment>>,
    dice: Dice,
    files: Vec<File>,
    n_ids: u8,
    run: Option<Run<'w>>,
    /// How many versions of each file the collection that is under way keeps at least.
    n_kept: usize,
    found: Option<Found>,
    damage: Option<Damage>,
    n_refused: usize,
    n_steps: usize,
}

impl<'w> Play<'w> {
    fn new(world: &'w World, seed: u64) -> Self {
        Self {
            world,
            ever: Vec::new(),
            dice: Dice(seed),
            files: (0..FILES).map(|_| File::default()).collect(),
            n_ids: 0,
            run: None,
            n_kept: usize::MAX,
            found: None,
            damage: None,
            n_refused: 0,
            n_steps: 0,
        }
    }

    fn roll(&mut self, sides: u64) -> usize {
        usize::try_from(self.dice.roll(sides)).unwrap()
    }

    /// A content of few blocks, so that contents share chunks and come again.
    fn content(&mut self) -> (Vec<Attachment>, Content) {
        let n_blocks = 1 + self.roll(5);
        let blocks: Vec<u8> = (0..n_blocks)
            .flat_map(|_| vec![u8::try_from(self.dice.roll(4)).unwrap(); 1000])
            .collect();
        cut(&blocks)
    }

    /// Brings something; a list whose parts are not there is not taken.
    fn put(&mut self, attachments: &[Attachment]) {
        let verified = attachments.iter().cloned().map(|a| chunk::verify(a).unwrap());
        let chunks: Vec<_> = verified.collect();
        let World { store, account, .. } = self.world;
        let put = |draft: &dyn Draft| take_chunks(draft, &store.packs, *account, None, &chunks);
        store.metadata.write(Durability::Later, put).unwrap();
    }

    /// Lets a file have a content, if all of it is there.
    fn commit(&mut self, n: usize, (attachments, content): (Vec<Attachment>, Content)) {
        let kind = file_of(content);
        let fresh = NodeId([self.n_ids + 1; 16]);
        let last = self.files[n].versions.last().map(|(version, _)| *version);
        let change = match (self.files[n].id, last) {
            (Some(id), Some(base)) => Change::Update { id, base, kind },
            _ => Change::Create {
                id: fresh,
                node: node(&format!("file {n}"), kind),
            },
        };
        if let Some(version) = self.append(&change) {
            let file = &mut self.files[n];
            if file.id.is_none() {
                self.n_ids += 1;
                file.id = Some(fresh);
            }
            file.versions.push((version, content));
            file.n_promised = self.n_kept.min(file.n_promised + 1);
            self.ever.push(attachments);
        }
    }

    fn append(&mut self, change: &Change) -> Option<Version> {
        let append = |draft: &dyn Draft| {
            let mut end = JournalEnd::open(draft, self.world.account)?;
            let taken = end.append(DEVICE, change)?.is_ok();
            draft.set_flushed(crate::store::Blobs::flush(&self.world.store.packs)?)?;
            Ok((end.finish()?, taken))
        };
        let (version, taken) = self
            .world
            .store
            .metadata
            .write(Durability::Later, append)
            .unwrap();
        self.n_refused += usize::from(!taken);
        taken.then_some(version)
    }

    fn delete(&mut self, n: usize) {
        let file = std::mem::take(&mut self.files[n]);
        if let (Some(id), Some((base, _))) = (file.id, file.versions.last()) {
            self.append(&Change::Delete { id, base: *base }).unwrap();
        }
    }

    /// Goes on with a collection, or begins one.
    fn collect(&mut self) {
        let Some(run) = &mut self.run else {
            let n_versions = 1 + self.roll(3);
            let policy = Policy {
                age_ms: 0,
                n_versions,
                drop_deleted: self.roll(2) == 0,
                now_ms: SystemClock.now_ms() + LATER,
            };
            self.n_kept = n_versions;
            for file in &mut self.files {
                file.n_promised = file.n_promised.min(n_versions);
            }
            self.run = Some(Run::begin(&self.world.store, policy, 1).unwrap());
            return;
        };
        match run.go_on().unwrap() {
            Step::Going | Step::Collected(..) | Step::Troubled(_) => self.n_steps += 1,
            Step::Done(_) => self.end_run(),
        }
    }

    fn end_run(&mut self) {
        self.run = None;
        self.n_kept = usize::MAX;
    }

    /// Goes on with a verification, or begins one.
    fn verify(&mut self) {
        let store = &self.world.store;
        match self.found.take() {
            None => self.found = Some(verify::look(store).unwrap()),
            Some(found) => verify::mend(store, found).unwrap(),
        }
    }

    /// Finds a chunk damaged, or notes that it was found so.
    fn find_damage(&mut self) {
        let World { store, account, .. } = self.world;
        if let Some(damage) = self.damage.take() {
            let note = |draft: &dyn Draft| damage.note(draft, &store.packs);
            return store.metadata.write(Durability::Later, note).unwrap();
        }
        let rows = self.rows();
        if !rows.is_empty() {
            let row = rows[self.roll(rows.len() as u64)];
            let find = |records: &dyn Records| Damage::find(records, &store.packs, *account, vec![row]);
            self.damage = Some(store.metadata.read(find).unwrap());
        }
    }

    fn rows(&self) -> Vec<ChunkRow> {
        let mut rows = Vec::new();
        let read = |records: &dyn Records| records.chunks_of(self.world.account, &mut |row| rows.push(row));
        self.world.store.metadata.read(read).unwrap();
        rows
    }

    fn happen(&mut self) {
        match self.roll(16) {
            0 => {
                let (attachments, _) = self.content();
                let n = self.roll(attachments.len() as u64);
                self.put(&attachments[..n]);
            }
            1 => {
                let (attachments, _) = self.content();
                self.put(&attachments[attachments.len() - 1..]);
            }
            2 => {
                let (n, content) = (self.roll(FILES), self.content());
                self.commit(n, content);
            }
            3 | 4 => {
                let (n, content) = (self.roll(FILES), self.content());
                self.put(&content.0);
                self.commit(n, content);
            }
            5 => {
                let (attachments, _) = self.content();
                self.put(&attachments);
            }
            6 => {
                let n = self.roll(FILES);
                self.delete(n);
            }
            7 if self.roll(4) == 0 => self.end_run(),
            8 => self.verify(),
            9 if self.roll(2) == 0 => self.find_damage(),
            _ => self.collect(),
        }
    }

    /// The law, and the promise.
    fn check(&self) {
        let World { store, account, .. } = self.world;
        for row in self.rows() {
            if row.state == ChunkState::Whole && row.depth != 0 {
                let parts = read_parts(&store.packs, *account, &row).unwrap();
                let all = |records: &dyn Records| all_here(records, *account, &row, &parts);
                assert!(
                    store.metadata.read(all).unwrap(),
                    "a whole list stands on what is missing"
                );
            }
        }
        for file in &self.files {
            for (_, content) in file.versions.iter().rev().take(file.n_promised) {
                assert!(self.world.can_read(*content), "a version that is kept is gone");
            }
        }
    }
}

#[test]
fn whatever_happens_between_the_steps_of_a_collection_nothing_that_is_needed_goes() {
    let (mut n_refused, mut n_steps) = (0, 0);
    for seed in 0..24 {
        let world = World::new();
        let mut play = Play::new(&world, seed);
        for _ in 0..120 {
            play.happen();
            play.check();
        }
        // What was found damaged comes again, and then all is sound.
        for attachments in std::mem::take(&mut play.ever) {
            play.put(&attachments);
        }
        verify::mend(&world.store, verify::look(&world.store).unwrap()).unwrap();
        world.assert_sound();
        n_refused += play.n_refused;
        n_steps += play.n_steps;
    }
    // Both were met often: what is missing, and collections at work.
    assert!(20 < n_refused && 300 < n_steps, "{n_refused} {n_steps}");
}
