//! What a disk can hold: which names are legal on it, and which names are one and the same to it.

use crate::{Name, NodeId, Tree};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use unicode_normalization::UnicodeNormalization;

/// Which names a disk can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameRules {
    /// Every name.
    Unix,
    /// Names that are text, without the characters and words that Windows keeps for itself.
    Windows,
}

/// Which differing names are one name to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Folding {
    /// None: names are bytes.
    None,
    /// Those that differ in case only.
    Case,
    /// Those that differ in case or in the form of composed characters only.
    CaseAndForm,
}

impl NameRules {
    /// Tells whether a disk with these rules can hold a name.
    #[must_use]
    pub fn allow(self, name: &Name) -> bool {
        match self {
            Self::Unix => true,
            Self::Windows => name.as_str().is_some_and(is_legal_on_windows),
        }
    }
}

/// Tells whether Windows keeps a character for itself.
pub(super) fn is_kept_by_windows(c: char) -> bool {
    c < ' ' || matches!(c, '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*')
}

fn is_legal_on_windows(name: &str) -> bool {
    !name.contains(is_kept_by_windows) && !name.ends_with(['.', ' ']) && !is_windows_device(name)
}

fn is_windows_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end();
    let stem = stem.to_ascii_uppercase();
    if matches!(
        stem.as_str(),
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$"
    ) {
        return true;
    }
    let Some(port) = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")) else {
        return false;
    };
    let mut digits = port.chars();
    let is_digit = |c: char| c.is_ascii_digit() || matches!(c, '¹' | '²' | '³');
    digits.next().is_some_and(is_digit) && digits.next().is_none()
}

/// The children of the directories of one tree that were asked for, by what their names are to a disk. It holds as long
/// as the tree does not change.
#[derive(Debug)]
pub struct FoldedNames {
    folding: Folding,
    dirs: BTreeMap<NodeId, BTreeMap<Vec<u8>, Vec<NodeId>>>,
}

impl FoldedNames {
    /// Returns those of a disk, of no directory yet.
    #[must_use]
    pub fn new(folding: Folding) -> Self {
        let dirs = BTreeMap::new();
        Self { folding, dirs }
    }

    /// Returns the children of a directory that have a name, or another spelling of it.
    pub fn children(&mut self, tree: &Tree, dir: NodeId, name: &Name) -> Vec<NodeId> {
        if self.folding == Folding::None {
            return tree.child(dir, name).into_iter().collect();
        }
        let folding = self.folding;
        let by_key = self.dirs.entry(dir).or_insert_with(|| {
            let mut by_key: BTreeMap<Vec<u8>, Vec<NodeId>> = BTreeMap::new();
            for (name, id) in tree.children(dir) {
                by_key.entry(folding.key(name)).or_default().push(id);
            }
            by_key
        });
        by_key.get(&folding.key(name)).cloned().unwrap_or_default()
    }
}

impl Folding {
    /// Returns the key of a name: equal keys are one name to the disk.
    #[must_use]
    pub fn key(self, name: &Name) -> Vec<u8> {
        match (self, name.as_str()) {
            (Self::None, _) => name.as_bytes().into(),
            (Self::Case | Self::CaseAndForm, None) => name.as_bytes().to_ascii_lowercase(),
            (Self::Case, Some(text)) => text.chars().map(lower).collect::<String>().into_bytes(),
            (Self::CaseAndForm, Some(text)) => text
                .nfd()
                .map(lower)
                .collect::<String>()
                .nfc()
                .collect::<String>()
                .into_bytes(),
        }
    }
}

/// Lower-cases a character when that is one character too, as disks do.
fn lower(c: char) -> char {
    let mut lowered = c.to_lowercase();
    match (lowered.next(), lowered.next()) {
        (Some(one), None) => one,
        (Some(_) | None, _) => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.try_into().unwrap()
    }

    #[test]
    fn windows_refuses_what_it_keeps_for_itself() {
        for bad in [
            "a:b",
            "x?",
            "CON",
            "con.txt",
            "aux .c",
            "COM¹",
            "lpt9.x",
            "trail.",
            "trail ",
            "a\u{1}",
            "a\\b",
            "NUL.tar.gz",
        ] {
            assert!(!NameRules::Windows.allow(&name(bad)), "{bad}");
            assert!(NameRules::Unix.allow(&name(bad)), "{bad}");
        }
        for good in ["a b", "COM", "COM10", "console", ".x", "ä", "CON1.txt"] {
            assert!(NameRules::Windows.allow(&name(good)), "{good}");
        }
        assert!(!NameRules::Windows.allow(&Name::new(b"a\xff").unwrap()));
    }

    #[test]
    fn folding_makes_one_of_what_the_disk_takes_for_one() {
        let same = |folding: Folding, a, b| folding.key(&name(a)) == folding.key(&name(b));
        assert!(same(Folding::Case, "Foo", "fOO"));
        assert!(same(Folding::Case, "ÄB", "äb"));
        assert!(!same(Folding::Case, "a\u{308}", "ä"));
        assert!(same(Folding::CaseAndForm, "A\u{308}", "ä"));
        assert!(!same(Folding::None, "Foo", "foo"));
        assert!(!same(Folding::CaseAndForm, "straße", "strasse"));
    }
}
