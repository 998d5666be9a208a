//! Chunks as they travel: plain bytes with their name, encoded or not. Whoever receives one decodes it and then asks
//! [`AttachmentHead::verify`] whether the bytes are what their name says; nothing is believed before that. How bytes are
//! compressed is known to the shells only.

use crate::limits::CHUNK_LEN_MAX;
use crate::list::list_hash;
use crate::message::{Attachment, AttachmentHead, Encoding, Form};
use bytes::Bytes;
use std::fmt;
use sync_engine::Hash;

/// Returns the name of plain bytes.
#[must_use]
pub fn name_of(form: Form, plain: &[u8]) -> Hash {
    match form {
        Form::Data => Hash::of(plain),
        Form::List => list_hash(plain),
    }
}

impl AttachmentHead {
    /// Tells whether decoded bytes are those that this head announced.
    #[must_use]
    pub fn verify(&self, plain: &[u8]) -> bool {
        plain.len() == self.plain_len as usize && name_of(self.form, plain) == self.hash
    }
}

impl Attachment {
    /// Makes an attachment of plain bytes whose name is known.
    ///
    /// # Panics
    /// When there are more bytes than [`CHUNK_LEN_MAX`]; whoever cuts a file makes no such chunk.
    #[must_use]
    pub fn new(form: Form, hash: Hash, plain: Bytes) -> Self {
        let len = len_of(&plain);
        let head = AttachmentHead {
            hash,
            form,
            encoding: Encoding::Plain,
            plain_len: len,
            sent_len: len,
        };
        Self { head, bytes: plain }
    }

    /// Makes an attachment of a piece of a file.
    ///
    /// # Panics
    /// As [`Attachment::new`] does.
    #[must_use]
    pub fn data(plain: Bytes) -> Self {
        Self::new(Form::Data, name_of(Form::Data, &plain), plain)
    }

    /// Makes an attachment of a list.
    ///
    /// # Panics
    /// As [`Attachment::new`] does.
    #[must_use]
    pub fn list(plain: Bytes) -> Self {
        Self::new(Form::List, name_of(Form::List, &plain), plain)
    }

    /// Puts compressed bytes in the place of the plain ones if they are shorter, and else changes nothing.
    #[must_use]
    pub fn compressed(mut self, zstd: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Self {
        if self.head.encoding == Encoding::Plain
            && let Some(shorter) = zstd(&self.bytes).filter(|sent| sent.len() < self.bytes.len())
        {
            // There was room for more in it, which would be held for as long as the bytes.
            self.bytes = shorter.into_boxed_slice().into();
            self.head.encoding = Encoding::Zstd;
            self.head.sent_len = len_of(&self.bytes);
        }
        self
    }
}

fn len_of(bytes: &[u8]) -> u32 {
    assert!(bytes.len() <= CHUNK_LEN_MAX, "a chunk of {} bytes", bytes.len());
    u32::try_from(bytes.len()).expect("the limit is below 2^32")
}

impl fmt::Debug for Attachment {
    /// Writes the head only: the bytes are a person's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_what_their_name_says_or_are_not_believed() {
        let attachment = Attachment::data(Bytes::from_static(b"bytes"));
        assert!(attachment.head.verify(b"bytes"));
        for wrong in [b"".as_slice(), b"byte", b"bytes!", b"Bytes"] {
            assert!(!attachment.head.verify(wrong));
        }
        let list = Attachment::list(Bytes::from_static(b"bytes"));
        assert!(list.head.verify(b"bytes"));
        assert!(
            !AttachmentHead {
                form: Form::List,
                ..attachment.head
            }
            .verify(b"bytes")
        );
    }

    #[test]
    fn compression_counts_only_when_it_is_shorter() {
        let plain = Attachment::data(Bytes::from_static(b"bytes"));
        for longer in [None, Some(vec![0; 5]), Some(vec![0; 6])] {
            assert_eq!(plain.clone().compressed(|_| longer), plain);
        }
        let shorter = plain.clone().compressed(|_| Some(vec![1, 2]));
        let head = AttachmentHead {
            encoding: Encoding::Zstd,
            sent_len: 2,
            ..plain.head
        };
        assert_eq!(
            shorter,
            Attachment {
                head,
                bytes: Bytes::from_static(&[1, 2])
            }
        );
        assert_eq!(shorter.clone().compressed(|_| Some(vec![])), shorter);
    }

    #[test]
    fn a_persons_bytes_are_not_shown_for_debugging() {
        let attachment = Attachment::data(Bytes::from_static(b"diary"));
        assert!(!format!("{attachment:?}").contains("diary"));
    }
}
