//! Who is who: the account's ID, which is a secret. Whoever knows it can enrol a device, so it is never logged and has
//! no `Display`; the server keeps only its hash.
//!
//! As text it is 34 symbols of Crockford's base32 (digits and capitals without I, L, O and U), in eight groups of four
//! and one of two, with `-` between them. The first 32 are the 160 bits, the highest first. The last two are the check:
//! the number that the 160 bits are, modulo 1021. As 1021 is a prime above 32, every single wrong symbol is noticed,
//! and every two symbols that are swapped; of other errors all but one in 1021. Both check symbols come from the same
//! alphabet, so nothing in an ID means anything to a shell or in a link.

use crate::entropy;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq;
use sync_engine::Hash;
use zeroize::{Zeroize, Zeroizing};

const ID_LEN: usize = 20;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const SYMBOL_BITS: u32 = 5;
const N_SYMBOLS: usize = ID_LEN * 8 / SYMBOL_BITS as usize;
const N_CHECK_SYMBOLS: usize = 2;
const GROUP_LEN: usize = 4;
/// The largest prime that two symbols can hold.
const CHECK_PRIME: u32 = 1021;

/// An account's ID: 160 random bits.
#[derive(Clone, Serialize, Deserialize)]
pub struct AccountId([u8; ID_LEN]);

/// Says why a text is not an ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseAccountIdError {
    /// There are more or fewer symbols than an ID has.
    #[error("an account's ID has 34 letters and digits, this has {0}")]
    Length(usize),
    /// There is a character that no ID has.
    #[error("there is no '{}' in an account's ID", .0.escape_default())]
    Symbol(char),
    /// The symbols do not fit together: at least one is wrong.
    #[error("the account's ID is mistyped")]
    Mistyped,
}

impl AccountId {
    /// Makes a new ID out of the system's random numbers.
    ///
    /// # Errors
    /// When the system has none to give.
    pub fn generate() -> Result<Self, entropy::Error> {
        let mut id = Self([0; ID_LEN]);
        entropy::fill(&mut id.0)?;
        Ok(id)
    }

    /// Returns the ID as text, for its owner's eyes and for nothing that is kept.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        let symbols = self.symbols();
        let check = check_of(&*symbols);
        let mut text = Zeroizing::new(String::with_capacity(
            N_SYMBOLS + N_SYMBOLS / GROUP_LEN + N_CHECK_SYMBOLS,
        ));
        for (i, symbol) in symbols.iter().chain(&check).enumerate() {
            if i > 0 && i % GROUP_LEN == 0 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(*symbol)]));
        }
        text
    }

    /// Returns what the server keeps in place of the ID. As the ID is random, it cannot be guessed from this.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash(blake3::derive_key("holdfast 2026 account id", &self.0))
    }

    /// Returns a short name of the account for logs, made from its hash: it is no secret and opens nothing.
    #[must_use]
    pub fn handle(&self) -> String {
        let mut handle = self.hash().to_string();
        handle.truncate(8);
        handle
    }

    /// Cuts the bits into symbols, the highest first.
    fn symbols(&self) -> Zeroizing<[u8; N_SYMBOLS]> {
        let bit = |at: usize| self.0[at / 8] >> (7 - at % 8) & 1;
        let width = SYMBOL_BITS as usize;
        Zeroizing::new(std::array::from_fn(|i| {
            (0..width).fold(0, |symbol, at| symbol << 1 | bit(i * width + at))
        }))
    }

    fn from_symbols(symbols: &[u8]) -> Self {
        let mut id = Self([0; ID_LEN]);
        for (i, symbol) in symbols.iter().enumerate() {
            for at in 0..SYMBOL_BITS as usize {
                let position = i * SYMBOL_BITS as usize + at;
                let bit = symbol >> (SYMBOL_BITS as usize - 1 - at) & 1;
                id.0[position / 8] |= bit << (7 - position % 8);
            }
        }
        id
    }
}

/// Returns the check symbols of the others.
fn check_of(symbols: &[u8]) -> [u8; N_CHECK_SYMBOLS] {
    let base = 1 << SYMBOL_BITS;
    let number = symbols.iter().fold(0, |number, symbol| {
        (number * base + u32::from(*symbol)) % CHECK_PRIME
    });
    // Both are below 32, as the prime is below 32 * 32.
    [(number / base) as u8, (number % base) as u8]
}

/// Returns the symbol that a character stands for, also of those that look like one.
fn symbol_of(character: char) -> Option<u8> {
    let character = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let position = ALPHABET
        .iter()
        .position(|symbol| char::from(*symbol) == character)?;
    u8::try_from(position).ok()
}

impl FromStr for AccountId {
    type Err = ParseAccountIdError;

    /// Reads what [`AccountId::reveal`] writes, in either case; O is taken for 0, I and L for 1, and `-` and blanks are
    /// passed over wherever they are.
    fn from_str(text: &str) -> Result<Self, ParseAccountIdError> {
        let mut symbols = Zeroizing::new([0; N_SYMBOLS + N_CHECK_SYMBOLS]);
        let mut count = 0;
        for character in text.chars().filter(|c| *c != '-' && !c.is_whitespace()) {
            let symbol = symbol_of(character).ok_or(ParseAccountIdError::Symbol(character))?;
            if let Some(place) = symbols.get_mut(count) {
                *place = symbol;
            }
            count += 1;
        }
        if count != symbols.len() {
            return Err(ParseAccountIdError::Length(count));
        }
        let (id, check) = symbols.split_at(N_SYMBOLS);
        if check == check_of(id) {
            Ok(Self::from_symbols(id))
        } else {
            Err(ParseAccountIdError::Mistyped)
        }
    }
}

/// Tells whether a text holds an ID, whole and rightly typed.
#[must_use]
pub fn holds_id(text: &str) -> bool {
    let is_id = |part: &str| part.parse::<AccountId>().is_ok();
    is_id(text) || parts_like_ids(text).any(is_id)
}

/// Tells whether a text holds something that may be an ID, mistyped ones included: as many letters and digits as an ID has,
/// or nearly so, in one row or in groups of which most have four. What does, is not repeated and not taken for anything
/// else.
#[must_use]
pub fn resembles_id(text: &str) -> bool {
    let spaced = text.split_whitespace().collect::<Vec<_>>().join("-");
    let is_one_part = !spaced.contains(|c: char| !is_of_id(c));
    parts_like_ids(text).any(is_like_id) || is_one_part && is_like_id(&spaced)
}

fn is_like_id(part: &str) -> bool {
    let is_like = |symbols: &str| {
        let n_digits = symbols.bytes().filter(u8::is_ascii_digit).count();
        let n_letters = symbols.bytes().filter(u8::is_ascii_alphabetic).count();
        // Of fingerprints and the like all digits are hexadecimal, of an ID never.
        let is_number = symbols
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        N_ALIKE.contains(&(n_digits + n_letters)) && DIGITS_MIN <= n_digits && !is_number
    };
    let mut n_groups = 0;
    let has_groups = part.split('-').any(|group| {
        n_groups = if group.len() == GROUP_LEN { n_groups + 1 } else { 0 };
        GROUPS_MIN <= n_groups
    });
    has_groups && is_like(part) || part.split('-').any(is_like)
}

/// So many groups in a row are no chance; one that is mistyped in the middle leaves as many.
const GROUPS_MIN: usize = 4;
/// How many symbols may be those of an ID, with one too few and a word before them.
const N_ALIKE: std::ops::RangeInclusive<usize> = 32..=44;
/// Fewer digits an ID of random bits hardly ever has.
const DIGITS_MIN: usize = 3;

fn is_of_id(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-'
}

/// The parts of a text that consist of what an ID may be made of.
fn parts_like_ids(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character| !is_of_id(character))
        .map(|part| part.trim_matches('-'))
}

impl PartialEq for AccountId {
    /// Compares in a time that does not depend on where they differ.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for AccountId {}

impl Drop for AccountId {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountId(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads symbols, those of the check among them.
    fn read(symbols: &[u8]) -> Result<AccountId, ParseAccountIdError> {
        let text: String = symbols
            .iter()
            .map(|symbol| char::from(ALPHABET[usize::from(*symbol)]))
            .collect();
        text.parse()
    }

    fn all_symbols(id: &AccountId) -> Vec<u8> {
        id.reveal()
            .chars()
            .filter(|c| *c != '-')
            .map(|c| symbol_of(c).unwrap())
            .collect()
    }

    #[test]
    fn the_text_of_an_id_is_frozen() {
        let id = AccountId(std::array::from_fn(|i| i as u8 * 13));
        assert_eq!(*id.reveal(), "006H-M9SM-8575-PT3N-GA7S-SADP-RF8D-VTQQ-2J");
        assert_eq!(
            id.hash().to_string(),
            "41b3d145d3aa3de9f519e16b9667658cc929f8dbeba690c9240d9c983f3280d6"
        );
        assert_eq!(id.handle(), &id.hash().to_string()[..8]);
    }

    #[test]
    fn an_id_is_read_as_people_type_it() {
        let id = AccountId([0b0000_1000; ID_LEN]);
        let text = id.reveal();
        assert!(text.contains('0') && text.contains('1'), "{}", *text);
        let typed = text
            .to_lowercase()
            .replace('0', "o")
            .replace('1', "l")
            .replace('-', " ");
        assert_eq!(typed.parse(), Ok(id.clone()));
        assert_eq!(text.replace('1', "i").replace('-', "").parse(), Ok(id));
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let text = AccountId([7; ID_LEN]).reveal();
        assert_eq!("".parse::<AccountId>(), Err(ParseAccountIdError::Length(0)));
        assert_eq!(
            text[1..].parse::<AccountId>(),
            Err(ParseAccountIdError::Length(33))
        );
        assert_eq!(
            format!("{}0", *text).parse::<AccountId>(),
            Err(ParseAccountIdError::Length(35))
        );
        assert_eq!(
            format!("U{}", &text[1..]).parse::<AccountId>(),
            Err(ParseAccountIdError::Symbol('U'))
        );
        let error = "\u{1b}[2J".parse::<AccountId>().unwrap_err();
        assert_eq!(error.to_string(), "there is no '\\u{1b}' in an account's ID");
    }

    #[test]
    fn every_wrong_symbol_and_every_two_that_are_swapped_are_noticed() {
        let symbols = all_symbols(&AccountId(std::array::from_fn(|i| {
            (i as u8).wrapping_mul(151).wrapping_add(17)
        })));
        for i in 0..symbols.len() {
            for wrong in (0..32).filter(|wrong| *wrong != symbols[i]) {
                let mut typed = symbols.clone();
                typed[i] = wrong;
                assert_eq!(read(&typed), Err(ParseAccountIdError::Mistyped), "symbol {i}");
            }
            for j in (0..i).filter(|j| symbols[*j] != symbols[i]) {
                let mut typed = symbols.clone();
                typed.swap(i, j);
                assert_eq!(
                    read(&typed),
                    Err(ParseAccountIdError::Mistyped),
                    "symbols {j} and {i}"
                );
            }
        }
    }

    #[test]
    fn an_id_is_not_shown_for_debugging() {
        let id = AccountId::generate().unwrap();
        assert_eq!(format!("{id:?}"), "AccountId(…)");
        assert_ne!(id, AccountId::generate().unwrap());
    }

    #[test]
    fn what_is_no_id_is_not_taken_for_one() {
        let fingerprint = "07".repeat(32);
        for text in [
            "",
            "nas.example.org:7733",
            "my-very-long-name-of-a-server-in-the-house",
            "ec2-198-51-100-1.eu-central-1.compute.amazonaws.com",
            "123e4567-e89b-12d3-a456-426614174000",
            "/home/anna/Documents and more",
            "that this will come from here over there",
            "a9f86d081884c7d659a2feaa0c55ad01-1234567890.eu-west-1.elb.amazonaws.com",
            &fingerprint,
        ] {
            assert!(!holds_id(text) && !resembles_id(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_id_is_found_wherever_it_stands_and_however_it_is_typed(
            bytes: [u8; ID_LEN], at in 0_usize..42, wrong in "[0-9a-zA-Z]", small: bool, joined: bool
        ) {
            let mut id = AccountId(bytes).reveal().to_string();
            prop_assume!(DIGITS_MIN < id.bytes().filter(u8::is_ascii_digit).count());
            prop_assume!(1 < id.bytes().filter(|byte| (b'G'..=b'Z').contains(byte)).count());
            if joined {
                id = id.replace('-', "");
            }
            if small {
                id = id.to_lowercase();
            }
            for text in [id.clone(), format!("nas:1/{id}#07"), format!("'{id}' is none"), id.replace('-', " ")] {
                prop_assert!(holds_id(&text) && resembles_id(&text), "{}", text);
            }
            let attached = ["--id", &id].concat();
            prop_assert!(resembles_id(&attached));
            let at = at % id.len();
            if id.as_bytes()[at] != b'-' {
                let (mut short, mut mistyped) = (id.clone(), id.clone());
                short.remove(at);
                mistyped.replace_range(at..=at, &wrong);
                prop_assert!(resembles_id(&short), "{}", short);
                prop_assert!(resembles_id(&mistyped), "{}", mistyped);
            }
        }

        #[test]
        fn an_id_reads_back_what_it_writes(bytes: [u8; ID_LEN]) {
            let id = AccountId(bytes);
            prop_assert_eq!(id.reveal().len(), 42);
            prop_assert_eq!(id.reveal().parse(), Ok(id));
        }

        #[test]
        fn swaps_are_noticed_whatever_the_id(bytes: [u8; ID_LEN], i in 0_usize..34, j in 0_usize..34) {
            let mut symbols = all_symbols(&AccountId(bytes));
            prop_assume!(symbols[i] != symbols[j]);
            symbols.swap(i, j);
            prop_assert_eq!(read(&symbols), Err(ParseAccountIdError::Mistyped));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = text.parse::<AccountId>();
        }
    }
}
