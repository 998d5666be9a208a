//! The bytes of protocol version 1 are frozen. A change here is a new version of the protocol, or a mistake. After a
//! deliberate change before the first release, `HOLDFAST_BLESS=1 cargo test -p common` writes the files anew.

use crate::samples;
use bytes::{Bytes, BytesMut};
use common::check::Checked;
use common::codec::{Peer, decode, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::{Debug, Write};
use std::path::Path;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
        .collect()
}

/// The name of a message's variant.
fn variant(message: &impl Debug) -> String {
    format!("{message:?}")
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap()
        .to_owned()
}

fn frame_of<M: Serialize + Checked>(message: &M) -> BytesMut {
    let attachments = if message.takes_attachments() {
        samples::attachments()
    } else {
        Vec::new()
    };
    let mut out = BytesMut::new();
    encode(message, &attachments, &mut out).unwrap();
    out
}

fn check<M: Serialize + DeserializeOwned + Checked + Debug + PartialEq>(file: &str, messages: &[M]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(file);
    let line = |message: &M| format!("{} {}\n", variant(message), hex(&frame_of(message)));
    let made: String = messages.iter().map(line).collect();
    if std::env::var_os("HOLDFAST_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let frozen = std::fs::read_to_string(&path).unwrap();
    assert_eq!(frozen.lines().count(), messages.len());
    for (frozen, message) in frozen.lines().zip(messages) {
        assert_eq!(
            format!("{frozen}\n"),
            line(message),
            "the bytes of {message:?} have changed"
        );
        let (_, frame) = frozen.split_once(' ').unwrap();
        let read = decode::<M>(Bytes::from(unhex(frame)).slice(4..), Peer::Admitted).unwrap();
        assert_eq!(read.message, *message);
        if message.takes_attachments() {
            assert_eq!(read.attachments, samples::attachments());
        }
    }
}

#[test]
fn the_bytes_of_every_request_are_frozen() {
    check("requests.txt", &samples::requests());
}

#[test]
fn the_bytes_of_every_reply_are_frozen() {
    check("replies.txt", &samples::replies());
}
