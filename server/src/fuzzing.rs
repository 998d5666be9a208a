//! Doors for the fuzz targets to what reads stored or typed bytes. Nothing else uses them, and nothing else is behind
//! them. Each returns whether the bytes were believed, and panics when what was read does not read back the same.

use crate::admin::moment::parse_time;
use crate::store::pack_file::{Header, sealed};

/// Reads bytes as the header of a pack's record, under a sum that fits: without one nothing would be read at all.
///
/// # Panics
/// When what was read reads back as something else.
#[must_use]
pub fn pack_header(bytes: &[u8]) -> bool {
    let bytes = sealed(bytes);
    let Some(header) = Header::from_bytes(&bytes) else {
        return false;
    };
    assert_eq!(header.to_bytes(), bytes);
    true
}

/// Reads a time as it is typed on the command line.
#[must_use]
pub fn moment(text: &str) -> bool {
    parse_time(text).is_ok()
}
