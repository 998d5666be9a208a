//! How the cutter's work grows with a file: borders, hashes and lists. `cargo bench -p tui-client --bench chunker` runs it.

use divan::counter::BytesCount;
use divan::{Bencher, black_box, black_box_drop};
use tui_client::chunker::{Chunked, Chunker};

/// Lengths of files, in MiB.
const SIZES: [usize; 3] = [1, 16, 256];

fn main() {
    divan::main();
}

/// Bytes in which nothing comes again, by xorshift (Marsaglia, Xorshift RNGs, 2003).
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(len / 8).flatten().collect()
}

#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn cut(bencher: Bencher<'_, '_>, n_mib: usize) {
    let file = noise(n_mib * 1024 * 1024);
    let mut chunker = Chunker::new();
    bencher
        .counter(BytesCount::new(file.len()))
        .bench_local(|| black_box_drop(pieces(&mut chunker, black_box(&file))));
}

/// A call of its own, so that its instructions can be counted: see docs/performance.md.
#[inline(never)]
fn pieces(chunker: &mut Chunker, file: &[u8]) -> Chunked {
    let chunked = chunker.chunk(file, |_, _| ());
    chunked.expect("memory can be read")
}
