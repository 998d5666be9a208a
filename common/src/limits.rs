//! Limits of the wire. Every length that a peer can name has one here, with its unit.

use std::time::Duration;

/// The only version of the protocol so far; it is the first thing in a `Hello`.
pub const PROTOCOL_VERSION: u16 = 1;
/// The name of the protocol in TLS (ALPN).
pub const ALPN: &[u8] = b"holdfast/1";
/// The port when none is given.
pub const DEFAULT_PORT: u16 = 7733;

/// The longest frame before a peer has said who it is, in bytes.
pub const FRAME_LEN_MAX_STRANGER: usize = 4 * 1024;
/// The longest frame afterwards, in bytes, with everything attached to it.
pub const FRAME_LEN_MAX: usize = 4 * 1024 * 1024;
/// The longest message in a frame, without what is attached, in bytes.
pub const MESSAGE_LEN_MAX: usize = 1024 * 1024;
/// What a sender aims at when it fills a frame, in bytes.
pub const FRAME_LEN_AIM: usize = 1024 * 1024;

/// The longest chunk or list, in bytes, plain and as sent.
pub const CHUNK_LEN_MAX: usize = 512 * 1024;
/// The most changes in one commit.
pub const CHANGES_MAX: usize = 4096;
/// The most hashes in one question or request.
pub const HASHES_MAX: usize = 8192;
/// The most chunks attached to one frame.
pub const ATTACHMENTS_MAX: usize = 8192;
/// The most entries or nodes in one frame.
pub const ENTRIES_MAX: usize = 8192;
/// The longest name of a device, in bytes.
pub const DEVICE_NAME_LEN_MAX: usize = 64;
/// The longest text with which a program names itself and its version, in bytes.
pub const AGENT_LEN_MAX: usize = 128;
/// A content up to this size travels inside the commit and inside the push, in bytes.
pub const INLINE_LEN_MAX: usize = 64 * 1024;
/// The most levels of lists above the chunks of a file.
pub const LIST_DEPTH_MAX: u8 = 4;

/// TLS has to be agreed within this time.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The peer has to say who it is within this time after that.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// A side that has nothing to say sends a `Ping` after this time.
pub const PING_INTERVAL: Duration = Duration::from_secs(30);
/// A client that has nothing to say on its control connection sends one after this time: whether the server was heard
/// lately is part of what it tells people.
pub const CONTROL_PING_INTERVAL: Duration = Duration::from_secs(12);
/// A side that has heard nothing for this time hangs up.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// Returns how many bytes are held in memory at most where that is bounded. A simulation holds a small part of it, so
/// that its few bytes meet the bound.
#[must_use]
pub fn held_at_most(len: usize) -> usize {
    unless_simulated(len, len / SIMULATED_PARTS)
}

/// The part of what is held otherwise that is held in a simulation.
const SIMULATED_PARTS: usize = 64 * 1024;

/// Returns a bound, or the small one that a simulation has in its place.
#[must_use]
pub fn unless_simulated(bound: usize, simulated: usize) -> usize {
    #[cfg(feature = "simulation")]
    if crate::entropy::is_on() {
        return simulated;
    }
    let _ = simulated;
    bound
}
