//! Attachments from plain bytes and back. A chunk is compressed when a sample of it says that this pays.

use bytes::Bytes;
use common::limits::CHUNK_LEN_MAX;
use common::message::{Attachment, Encoding, Form};
use common::squeeze::{compress, decompress};
use sync_engine::{Bug, Hash, planted};

/// Chunks shorter than this travel as they are, in bytes.
const PLAIN_LEN_MAX: usize = 4 * 1024;
/// How much of a chunk is tried first, in bytes.
const SAMPLE_LEN: usize = 4 * 1024;
/// Compressed bytes have to be below this share of the plain ones, in percent.
const PAYS_BELOW_PERCENT: usize = 85;
/// Fast, since the wire between a device and its server is most often fast too.
const LEVEL: i32 = 1;

/// Why an attachment is not what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("chunk {0} is damaged")]
pub struct Damaged(pub Hash);

/// Makes an attachment of a chunk or a list whose hash is known.
#[must_use]
pub fn attach(hash: Hash, form: Form, plain: Bytes) -> Attachment {
    let attachment = Attachment::new(form, hash, plain);
    match form {
        Form::Data => attachment.compressed(squeeze),
        Form::List => attachment,
    }
}

fn squeeze(plain: &[u8]) -> Option<Vec<u8>> {
    if plain.len() < PLAIN_LEN_MAX {
        return None;
    }
    let middle = plain.len() / 2;
    let sample = &plain[middle.saturating_sub(SAMPLE_LEN / 2)..(middle + SAMPLE_LEN / 2).min(plain.len())];
    let pays = |squeezed: &[u8], plain: &[u8]| squeezed.len() * 100 < plain.len() * PAYS_BELOW_PERCENT;
    // Of what is hardly longer, a sample would say no more than the whole.
    if 2 * SAMPLE_LEN < plain.len() && !pays(&compress(sample, LEVEL).ok()?, sample) {
        return None;
    }
    compress(plain, LEVEL)
        .ok()
        .filter(|squeezed| pays(squeezed, plain))
}

/// Decodes an attachment and checks it against its name.
///
/// # Errors
/// When the bytes are not what the name says.
pub fn detach(attachment: &Attachment) -> Result<Bytes, Damaged> {
    let head = &attachment.head;
    let damaged = Damaged(head.hash);
    let plain_len = usize::try_from(head.plain_len).map_err(|_| damaged)?;
    if plain_len > CHUNK_LEN_MAX {
        return Err(damaged);
    }
    let plain = match head.encoding {
        Encoding::Plain => attachment.bytes.clone(),
        Encoding::Zstd => decompress(&attachment.bytes, plain_len)
            .map_err(|_| damaged)?
            .into(),
    };
    if head.verify(&plain) || planted(Bug::DownloadUnverified) {
        Ok(plain)
    } else {
        Err(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_compressed_and_noise_is_not() {
        let text = Bytes::from("the same words again and again ".repeat(2000));
        let sent = attach(Hash::of(&text), Form::Data, text.clone());
        assert_eq!(sent.head.encoding, Encoding::Zstd);
        assert_eq!(detach(&sent), Ok(text));

        let noise: Vec<u8> = (0..2000u32)
            .flat_map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes())
            .collect();
        let sent = attach(Hash::of(&noise), Form::Data, noise.clone().into());
        assert_eq!(sent.head.encoding, Encoding::Plain);
        assert_eq!(detach(&sent), Ok(noise.into()));
    }

    #[test]
    fn a_chunk_that_is_not_what_its_name_says_is_refused() {
        let mut sent = attach(Hash::of(b"one"), Form::Data, Bytes::from_static(b"two"));
        assert_eq!(detach(&sent), Err(Damaged(Hash::of(b"one"))));
        sent.head.encoding = Encoding::Zstd;
        assert_eq!(detach(&sent), Err(Damaged(Hash::of(b"one"))));
    }
}
