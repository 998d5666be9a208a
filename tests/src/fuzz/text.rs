//! What is typed, pasted, or asked over the local socket.

use common::certificate::{Certificate, Pem};
use common::fingerprint::Fingerprint;
use common::identity::AccountId;
use common::link::{PairingLink, ServerAddress};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use sync_engine::{Name, RelPath};
use tui_client::control::{Answer, Ask};
use tui_client::rules::Rules;

/// Returns the bytes as text, as far as they are.
fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads an account's ID.
pub(super) fn account_id(bytes: &[u8]) -> bool {
    let Ok(id) = lossy(bytes).parse::<AccountId>() else {
        return false;
    };
    assert!(id.reveal().parse() == Ok(id), "an ID reads back as another");
    true
}

/// Reads a pairing link.
pub(super) fn pairing_link(bytes: &[u8]) -> bool {
    let Ok(link) = lossy(bytes).parse::<PairingLink>() else {
        return false;
    };
    assert!(
        link.reveal().parse().as_ref() == Ok(&link),
        "a link reads back as another"
    );
    true
}

/// Reads a server's address.
pub(super) fn server_address(bytes: &[u8]) -> bool {
    let Ok(address) = lossy(bytes).parse::<ServerAddress>() else {
        return false;
    };
    assert_eq!(address.to_string().parse().as_ref(), Ok(&address));
    true
}

/// Reads a fingerprint.
pub(super) fn fingerprint(bytes: &[u8]) -> bool {
    let Ok(fingerprint) = lossy(bytes).parse::<Fingerprint>() else {
        return false;
    };
    assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    true
}

/// Reads a certificate and a key in PEM, with a zero byte between them.
pub(super) fn certificate(bytes: &[u8]) -> bool {
    let text = lossy(bytes);
    let (certificate, key) = text.split_once('\0').unwrap_or((&text, ""));
    let pem = Pem {
        certificate: certificate.to_owned(),
        key: key.to_owned().into(),
    };
    Certificate::from_pem(pem).is_ok()
}

/// Reads a question from the local socket.
pub(super) fn control_ask(bytes: &[u8]) -> bool {
    line::<Ask>(bytes)
}

/// Reads an answer from the local socket.
pub(super) fn control_answer(bytes: &[u8]) -> bool {
    line::<Answer>(bytes)
}

fn line<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else {
        return false;
    };
    let written = serde_json::to_vec(&value).expect("what was read can be written");
    assert!(!written.contains(&b'\n'), "a value is one line");
    let again: T = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(again, value);
    true
}

/// Reads rules that leave things out, and after a zero byte a path to hold against them.
pub(super) fn rules(bytes: &[u8]) -> bool {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (rules, bad_lines) = Rules::parse(parts.next().unwrap_or_default());
    let names = parts.next().unwrap_or_default().split(|byte| *byte == b'/');
    let path = RelPath(names.filter_map(|name| Name::new(name).ok()).collect());
    let ignored = [true, false].map(|is_dir| rules.ignores(&path, is_dir));
    let again = [true, false].map(|is_dir| rules.ignores(&path, is_dir));
    assert_eq!(ignored, again);
    let _ = rules.ignores_above(&path);
    bad_lines.is_empty()
}

/// Reads a time, as the client does and as the server does.
pub(super) fn moment(bytes: &[u8]) -> bool {
    let text = lossy(bytes);
    let is_past = tui_client::fuzzing::moment(&text);
    let is_instant = server::fuzzing::moment(&text);
    is_past || is_instant
}
