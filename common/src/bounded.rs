//! Reading of lists and texts that may not be longer than a limit. The limit is looked at before the first item is
//! read and before anything is allocated, so that a peer cannot make a small message unfold into a large value.

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// No list is given more memory than this in advance, in bytes.
const RESERVE_LEN_MAX: usize = 64 * 1024;

/// Reads a list of at most `N` items.
pub(crate) fn items<'de, D: Deserializer<'de>, T: Deserialize<'de>, const N: usize>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(Items::<T, N>(PhantomData))
}

/// Reads a text of at most `N` bytes.
pub(crate) fn text<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<String, D::Error> {
    // Bytes can be looked at where they are, while the text's own reader would allocate the length declared.
    deserializer.deserialize_bytes(Text::<N>)
}

struct Items<T, const N: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Items<T, N> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {N} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let declared = seq.size_hint().unwrap_or(0);
        if declared > N {
            return Err(Error::invalid_length(declared, &self));
        }
        let reserve = declared.min(RESERVE_LEN_MAX / size_of::<T>().max(1));
        let mut items = Vec::with_capacity(reserve);
        while let Some(item) = seq.next_element()? {
            if items.len() == N {
                return Err(Error::invalid_length(N + 1, &self));
            }
            items.push(item);
        }
        Ok(items)
    }
}

struct Text<const N: usize>;

impl<const N: usize> Visitor<'_> for Text<N> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UTF-8 text of at most {N} bytes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        if text.len() > N {
            return Err(Error::invalid_length(text.len(), &self));
        }
        Ok(text.to_owned())
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<String, E> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.visit_str(text),
            Err(_) => Err(Error::custom("text that is not UTF-8")),
        }
    }
}
