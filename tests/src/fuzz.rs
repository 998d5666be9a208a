//! The fuzz targets: every decoder of bytes that somebody else may have chosen. `cargo fuzz` runs them from `fuzz/`, an
//! ordinary test runs them over the kept corpus and [`mutate`]s it. A target returns whether the bytes were believed,
//! and panics when something is wrong: what was believed has to read back as itself.

pub mod mutate;
mod stored;
mod text;
mod wire;

/// A decoder under attack.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name: that of its file in `fuzz/fuzz_targets` and of its directory in `fuzz/corpus`.
    pub name: &'static str,
    /// Feeds bytes to it and returns whether they were believed.
    pub feed: fn(&[u8]) -> bool,
}

/// All targets, in the order of their names.
pub const TARGETS: [Target; 18] = [
    target("account_id", text::account_id),
    target("account_toml", stored::account_toml),
    target("attachment", wire::attachment),
    target("certificate", text::certificate),
    target("control_answer", text::control_answer),
    target("control_ask", text::control_ask),
    target("fingerprint", text::fingerprint),
    target("list", wire::list),
    target("moment", text::moment),
    target("pack_header", stored::pack_header),
    target("pairing_link", text::pairing_link),
    target("reply", wire::reply),
    target("reply_of_stranger", wire::reply_of_stranger),
    target("request", wire::request),
    target("request_of_stranger", wire::request_of_stranger),
    target("rules", text::rules),
    target("server_address", text::server_address),
    target("state_row", stored::state_row),
];

const fn target(name: &'static str, feed: fn(&[u8]) -> bool) -> Target {
    Target { name, feed }
}

/// Feeds bytes to the target with this name.
///
/// # Panics
/// When there is no such target, or when it finds something wrong.
pub fn feed(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.expect("a target of this name");
    (target.feed)(bytes);
}
