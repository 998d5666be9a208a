//! Zstandard. What it works with is kept by each thread: making that anew would take as long as a small chunk itself.

use std::cell::RefCell;
use std::io;

use zstd::bulk::{Compressor, Decompressor};

/// Compresses bytes as one frame.
///
/// # Errors
/// When there is no memory for it.
pub fn compress(plain: &[u8], level: i32) -> io::Result<Vec<u8>> {
    thread_local! {
        static KEPT: RefCell<Compressor<'static>> = RefCell::new(Compressor::default());
    }
    KEPT.with_borrow_mut(|compressor| {
        compressor.set_compression_level(level)?;
        compressor.compress(plain)
    })
}

/// Decompresses one frame, which may be anybody's, to at most so many bytes.
///
/// # Errors
/// When the bytes are no frame, or are longer when decompressed.
pub fn decompress(squeezed: &[u8], plain_len_max: usize) -> io::Result<Vec<u8>> {
    thread_local! {
        static KEPT: RefCell<Decompressor<'static>> = RefCell::new(Decompressor::default());
    }
    KEPT.with_borrow_mut(|decompressor| decompressor.decompress(squeezed, plain_len_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_with_one_frame_does_not_spoil_the_next() {
        let plain = b"again and again and again and again and again".repeat(20);
        let squeezed = compress(&plain, 1).unwrap();
        assert!(squeezed.len() < plain.len());
        for _ in 0..2 {
            assert!(decompress(&squeezed[..squeezed.len() / 2], plain.len()).is_err());
            assert!(decompress(&squeezed, plain.len() - 1).is_err());
            assert!(decompress(b"no frame at all", plain.len()).is_err());
            assert_eq!(decompress(&squeezed, plain.len()).unwrap(), plain);
        }
        assert_eq!(compress(&plain, 1).unwrap(), squeezed);
    }
}
