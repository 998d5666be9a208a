//! Doors for the fuzz targets to what reads stored or typed bytes. Nothing else uses them, and nothing else is behind
//! them. Each returns whether the bytes were believed, and panics when what was read does not read back the same.

use jiff::Zoned;
use sync_engine::NodeId;

use crate::options::moment;
use crate::state::row;

/// Reads bytes as a row of the memory, under a seal that fits: without one nothing would be read at all.
///
/// # Panics
/// When what was read reads back as something else.
#[must_use]
pub fn state_row(body: &[u8]) -> bool {
    let id = NodeId([1; 16]);
    let sealed = [body, &row::seal(&id.0, body)].concat();
    let Some(sides) = row::decode(id, &sealed) else {
        return false;
    };
    let mut written = Vec::new();
    row::encode(id, &sides, &mut written);
    assert_eq!(row::decode(id, &written), Some(sides));
    true
}

/// Reads a time as a person writes it.
///
/// # Panics
/// Never: the time that is taken for the present is one.
#[must_use]
pub fn moment(text: &str) -> bool {
    let now: Zoned = "2026-11-22T15:00:00+01:00[+01:00]".parse().expect("a time");
    moment::parse(text, &now).is_ok()
}
