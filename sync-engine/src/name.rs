//! Names and paths: the only door through which a name from a disk or a peer comes in. A [`Name`] is one component,
//! kept as the bytes it was given; that it can be held by a certain disk is not promised here.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest name, in bytes.
pub const NAME_LEN_MAX: usize = 255;
/// How deep a node may be placed, counted in names from the root. The server holds to it; a tree does not, so that one
/// that grew deeper by moves of whole directories can still be read.
pub const DEPTH_MAX: usize = 1024;
/// The name of the client's own directory in the root of each folder. It is never synchronised.
pub const PRIVATE_NAME: &[u8] = b".holdfast";

/// One component of a path: 1 to 255 bytes, without `/` and NUL, and neither `.`, `..` nor `.holdfast`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<[u8]>);

/// Says why bytes are not a [`Name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There are no bytes.
    #[error("a name must not be empty")]
    Empty,
    /// There are more than [`NAME_LEN_MAX`] bytes.
    #[error("a name has at most 255 bytes")]
    TooLong,
    /// There is a `/` or a NUL in it.
    #[error("a name has neither '/' nor NUL in it")]
    Separator,
    /// It is `.` or `..`.
    #[error("'.' and '..' are not names")]
    Dots,
    /// It is the client's own directory.
    #[error("'.holdfast' is kept for the client itself")]
    Reserved,
}

impl Name {
    /// Checks bytes and makes a name of them.
    ///
    /// # Errors
    /// When the bytes are not one component of a path, or are reserved.
    pub fn new(bytes: &[u8]) -> Result<Self, NameError> {
        match bytes {
            [] => Err(NameError::Empty),
            b"." | b".." => Err(NameError::Dots),
            _ if bytes.len() > NAME_LEN_MAX => Err(NameError::TooLong),
            _ if bytes.iter().any(|b| matches!(b, b'/' | 0)) => Err(NameError::Separator),
            _ if bytes.eq_ignore_ascii_case(PRIVATE_NAME) => Err(NameError::Reserved),
            _ => Ok(Self(bytes.into())),
        }
    }

    /// Returns the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the bytes, shared with this name.
    pub(crate) fn shared(&self) -> Arc<[u8]> {
        self.0.clone()
    }

    /// Returns the name as text when it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        core::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Display for Name {
    /// Writes the name for a person: bytes that are not UTF-8, control and bidirectional characters are made visible.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.utf8_chunks() {
            for c in part.valid().chars() {
                if is_deceptive(c) {
                    write!(f, "{}", c.escape_unicode())?;
                } else {
                    write!(f, "{c}")?;
                }
            }
            part.invalid()
                .iter()
                .try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

/// Tells characters that change how the text around them is shown, or that are not seen at all.
#[must_use]
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a name")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Name, E> {
                Name::new(bytes).map_err(E::custom)
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Name, E> {
                self.visit_bytes(&bytes)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Name, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    if bytes.len() == NAME_LEN_MAX {
                        return Err(de::Error::custom(NameError::TooLong));
                    }
                    bytes.push(byte);
                }
                Name::new(&bytes).map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

impl TryFrom<&str> for Name {
    type Error = NameError;

    fn try_from(text: &str) -> Result<Self, NameError> {
        Self::new(text.as_bytes())
    }
}

/// A path from the root of the folder: names only, so it cannot leave the folder. Empty is the root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct RelPath(pub Vec<Name>);

impl RelPath {
    /// Returns the root.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Reads bytes with `/` between the names; `/` at either end and empty components are passed over.
    ///
    /// # Errors
    /// When a component is not a name.
    pub fn parse(bytes: &[u8]) -> Result<Self, NameError> {
        bytes
            .split(|b| *b == b'/')
            .filter(|part| !part.is_empty())
            .map(Name::new)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Returns this path with one more name.
    #[must_use]
    pub fn join(&self, name: &Name) -> Self {
        let mut names = self.0.clone();
        names.push(name.clone());
        Self(names)
    }

    /// Returns the last name and the path before it, or nothing for the root.
    #[must_use]
    pub fn split_last(&self) -> Option<(Self, &Name)> {
        let (last, before) = self.0.split_last()?;
        Some((Self(before.to_vec()), last))
    }

    /// Returns the bytes with `/` between the names.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (i, name) in self.0.iter().enumerate() {
            if i > 0 {
                bytes.push(b'/');
            }
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes
    }

    /// Tells whether this path is `dir` or inside it.
    #[must_use]
    pub fn starts_with(&self, dir: &Self) -> bool {
        self.0.starts_with(&dir.0)
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("/")?;
            }
            write!(f, "{name}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Cuts text to at most `len_max` bytes on the border of a character.
#[must_use]
pub fn truncate(text: &str, len_max: usize) -> &str {
    let mut end = text.len().min(len_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Makes a text of a person's or a peer's safe to show: deceptive characters become visible.
#[must_use]
pub fn visible(text: &str) -> String {
    use fmt::Write as _;
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_deceptive(c) {
            // Writing into a string cannot fail.
            let _ = write!(shown, "{}", c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn what_is_not_seen_as_it_is_is_made_visible() {
        for c in [
            '\u{1b}',
            '\u{7f}',
            '\u{9b}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{1160}',
            '\u{180e}',
            '\u{200b}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2800}',
            '\u{3164}',
            '\u{feff}',
            '\u{fff9}',
            '\u{fffb}',
            '\u{e0001}',
            '\u{e007f}',
        ] {
            assert!(is_deceptive(c), "{}", c.escape_unicode());
            assert_eq!(
                visible(&alloc::format!("a{c}b")),
                alloc::format!("a{}b", c.escape_unicode())
            );
        }
        for c in ['a', ' ', '\u{e4}', '\u{2019}', '\u{1f600}', '\u{5d0}'] {
            assert!(!is_deceptive(c), "{c}");
        }
    }

    #[test]
    fn bad_names_are_refused() {
        assert_eq!(Name::new(b""), Err(NameError::Empty));
        assert_eq!(Name::new(b".."), Err(NameError::Dots));
        assert_eq!(Name::new(b"a/b"), Err(NameError::Separator));
        assert_eq!(Name::new(b"a\0b"), Err(NameError::Separator));
        assert_eq!(Name::new(b".Holdfast"), Err(NameError::Reserved));
        assert_eq!(Name::new(&[b'x'; 256]), Err(NameError::TooLong));
        assert!(Name::new(&[b'x'; 255]).is_ok());
    }

    #[test]
    fn a_name_is_shown_without_tricks() {
        assert_eq!(
            Name::new(b"a\x1b[2J\xff").unwrap().to_string(),
            "a\\u{1b}[2J\\xff"
        );
        assert_eq!(
            Name::new("x\u{202e}y".as_bytes()).unwrap().to_string(),
            "x\\u{202e}y"
        );
    }

    #[test]
    fn a_path_cannot_climb() {
        assert_eq!(RelPath::parse(b"a/../b"), Err(NameError::Dots));
        assert_eq!(RelPath::parse(b"/a//b/").unwrap().to_bytes(), b"a/b");
    }
}
