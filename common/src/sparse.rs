//! Bytes that are written without their zeros, so that the holes of a sparse file stay holes. What is not written reads as
//! zeros, as long as the file was new: see [`data_runs`].

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;

/// A hole is a whole number of these, or what is left of one at the end of some bytes.
const BLOCK_LEN: usize = 4096;

/// Returns the parts of some bytes that have to be written, in order; `offset` is where in the file the bytes stand.
///
/// Law: what is in no part is zeros, and parts touch only at the bounds of blocks. So whoever writes the parts to a new file
/// and makes it as long as it is to be has the same file as by writing everything.
pub fn data_runs(bytes: &[u8], offset: u64) -> impl Iterator<Item = Range<usize>> {
    let is_zeros = |range: &Range<usize>| bytes[range.clone()].iter().all(|byte| *byte == 0);
    // The first block of the file that begins in these bytes begins here.
    let first = (BLOCK_LEN - (offset % BLOCK_LEN as u64) as usize) % BLOCK_LEN;
    let mut blocks = std::iter::once(0..first.min(bytes.len()))
        .chain(
            (first..bytes.len())
                .step_by(BLOCK_LEN)
                .map(|at| at..(at + BLOCK_LEN).min(bytes.len())),
        )
        .filter(|block| !block.is_empty())
        .peekable();
    std::iter::from_fn(move || {
        let mut run = blocks.find(|block| !is_zeros(block))?;
        while let Some(block) = blocks.next_if(|block| !is_zeros(block)) {
            run.end = block.end;
        }
        Some(run)
    })
}

/// Writes a new file from its beginning to its end, and leaves holes where there would be zeros.
#[derive(Debug)]
pub struct SparseWriter<'a> {
    file: &'a mut File,
    len_bytes: u64,
}

impl<'a> SparseWriter<'a> {
    /// Begins with an empty file.
    #[must_use]
    pub fn new(file: &'a mut File) -> Self {
        Self { file, len_bytes: 0 }
    }

    /// Makes the file as long as what was written, which may end with zeros.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn finish(self) -> io::Result<()> {
        self.file.set_len(self.len_bytes)
    }
}

impl Write for SparseWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for run in data_runs(bytes, self.len_bytes) {
            self.file
                .seek(SeekFrom::Start(self.len_bytes + run.start as u64))?;
            self.file.write_all(&bytes[run])?;
        }
        self.len_bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_with_holes_is_what_was_to_be_written(
            pieces in proptest::collection::vec((0_usize..20_000, any::<bool>()), 0..8),
        ) {
            let mut whole = Vec::new();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            let mut file = File::create(&path).unwrap();
            let mut writer = SparseWriter::new(&mut file);
            for (len, is_zeros) in pieces {
                let piece: Vec<u8> = (0..len).map(|at| if is_zeros { 0 } else { (at % 251) as u8 }).collect();
                let runs: Vec<Range<usize>> = data_runs(&piece, whole.len() as u64).collect();
                let covered: usize = runs.iter().map(Range::len).sum();
                prop_assert!(!is_zeros || covered == 0);
                prop_assert!(runs.is_sorted_by_key(|run| run.start));
                writer.write_all(&piece).unwrap();
                whole.extend(piece);
            }
            writer.finish().unwrap();
            prop_assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
    }
}
