//! What the headless mode writes to standard output: for each notice one line, as JSON for programs or in words for
//! people. It is made here and printed elsewhere. The only secret that is ever in it is the ID
//! of an account that was just made, in the `account` event.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;
use sync_engine::name::is_deceptive;
use sync_engine::{RelPath, Version};

use crate::notice::{ChangeKind, ChangeNotice, Direction, Notice, Progress, Trouble};
use crate::words::{kind_in_words, path_in_words};

/// Returns a line of JSON without its end: an object with `event` and `time` (RFC 3339) first.
#[must_use]
pub fn json_line(event: &str, time: Timestamp, body: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Line<'a, B> {
        event: &'a str,
        time: String,
        #[serde(flatten)]
        body: &'a B,
    }
    let line = Line {
        event,
        time: rfc3339(time),
        body,
    };
    escaped(serde_json::to_string(&line).expect("a body has text keys and finite numbers"))
}

/// Escapes in JSON what a terminal would not show as it is. It stays the same value: such characters stand only in texts.
fn escaped(json: String) -> String {
    if json.bytes().all(|byte| byte < 0x7f) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_deceptive(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing into a string cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Writes a time with milliseconds.
#[must_use]
pub fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Returns the time that is so many milliseconds after 1970; of one that cannot be, 1970.
#[must_use]
pub fn time_of_ms(ms: u64) -> Timestamp {
    i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or_default()
}

/// A path in JSON: exactly as it is where it is text; otherwise made visible, with its bytes beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JsonPath {
    /// The path.
    pub path: String,
    /// Its bytes in hexadecimal digits, when they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
}

impl From<&RelPath> for JsonPath {
    fn from(path: &RelPath) -> Self {
        match String::from_utf8(path.to_bytes()) {
            Ok(text) => Self {
                path: text,
                path_bytes: None,
            },
            Err(error) => Self {
                path: path.to_string(),
                path_bytes: Some(
                    error
                        .as_bytes()
                        .iter()
                        .map(|byte| format!("{byte:02x}"))
                        .collect(),
                ),
            },
        }
    }
}

/// Returns what a program reads of a notice, or nothing when there is no event for it.
#[must_use]
pub fn notice_as_json(notice: &Notice, time: Timestamp) -> Option<String> {
    let line = match notice {
        Notice::Account {
            id,
            handle,
            device,
            server,
            fingerprint,
        } => {
            let account = JsonAccount {
                id: id.as_deref(),
                handle,
                device,
                server,
                fingerprint,
            };
            json_line("account", time, &account)
        }
        Notice::Connected { server } => json_line("connected", time, &object([("server", server)])),
        Notice::Disconnected { reason, retry_ms } => {
            let retry_ms = *retry_ms;
            json_line("disconnected", time, &JsonDisconnected { reason, retry_ms })
        }
        Notice::Scanning { nodes } => json_line("scanning", time, &object([("nodes", nodes)])),
        Notice::Change(change) => json_line("change", time, &JsonChange::from(change)),
        Notice::Conflict {
            path,
            with,
            device,
            resolved,
        } => {
            let conflict = JsonConflict::new(path, with.as_ref(), device, *resolved);
            json_line("conflict", time, &conflict)
        }
        Notice::Blocked { path, reason } => {
            let blocked = JsonBlocked {
                path: path.into(),
                blocked: reason.is_some(),
                reason: reason.as_deref(),
            };
            json_line("blocked", time, &blocked)
        }
        Notice::Brake {
            removals,
            nodes,
            reason,
        } => {
            let brake = JsonBrake {
                removals: *removals,
                nodes: *nodes,
                reason,
            };
            json_line("brake", time, &brake)
        }
        Notice::Removed {
            removals,
            nodes,
            device,
        } => json_line("removed", time, &JsonRemoved::of(*removals, *nodes, device)),
        Notice::Progress(progress) => json_line("progress", time, &JsonProgress::from(progress)),
        Notice::Synced { version } => json_line("synced", time, &object([("journal", version)])),
        Notice::Syncing { .. } => return None,
        Notice::Error(trouble) => json_line("error", time, trouble),
    };
    Some(line)
}

/// An object with one field.
fn object<V: Serialize>(field: [(&'static str, V); 1]) -> impl Serialize {
    std::collections::BTreeMap::from(field)
}

#[derive(Serialize)]
struct JsonAccount<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    handle: &'a str,
    device: &'a str,
    server: &'a str,
    fingerprint: &'a str,
}

#[derive(Serialize)]
struct JsonDisconnected<'a> {
    reason: &'a str,
    retry_ms: u64,
}

#[derive(Serialize)]
struct JsonBlocked<'a> {
    #[serde(flatten)]
    path: JsonPath,
    blocked: bool,
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonRemoved<'a> {
    removals: u64,
    nodes: u64,
    device: &'a str,
}

impl<'a> JsonRemoved<'a> {
    fn of(removals: u64, nodes: u64, device: &'a str) -> Self {
        Self {
            removals,
            nodes,
            device,
        }
    }
}

#[derive(Serialize)]
struct JsonBrake<'a> {
    removals: u64,
    nodes: u64,
    reason: &'a str,
}

#[derive(Serialize)]
struct JsonChange<'a> {
    #[serde(flatten)]
    path: JsonPath,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    kind: ChangeKind,
    direction: Direction,
    device: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<Version>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<&'a str>,
}

impl<'a> From<&'a ChangeNotice> for JsonChange<'a> {
    fn from(change: &'a ChangeNotice) -> Self {
        Self {
            path: (&change.path).into(),
            from: change.from.as_ref().map(|from| JsonPath::from(from).path),
            kind: change.kind,
            direction: change.direction,
            device: &change.device,
            journal: change.version,
            remark: change.remark.as_deref(),
        }
    }
}

/// A conflict in JSON: `path` is the side that bears the mark, `with` the one that has the name.
#[derive(Debug, Serialize)]
pub struct JsonConflict<'a> {
    #[serde(flatten)]
    path: JsonPath,
    with: Option<String>,
    device: &'a str,
    resolved: bool,
}

impl<'a> JsonConflict<'a> {
    /// Returns what a program reads of a conflict.
    #[must_use]
    pub fn new(path: &RelPath, with: Option<&RelPath>, device: &'a str, resolved: bool) -> Self {
        Self {
            path: path.into(),
            with: with.map(|with| JsonPath::from(with).path),
            device,
            resolved,
        }
    }
}

#[derive(Serialize)]
struct JsonProgress {
    #[serde(flatten)]
    path: JsonPath,
    direction: Direction,
    done_bytes: u64,
    total_bytes: u64,
}

impl From<&Progress> for JsonProgress {
    fn from(progress: &Progress) -> Self {
        Self {
            path: (&progress.path).into(),
            direction: progress.direction,
            done_bytes: progress.done_bytes,
            total_bytes: progress.total_bytes,
        }
    }
}

fn removed_in_words(notice: &Notice) -> Option<String> {
    let Notice::Removed {
        removals,
        nodes,
        device,
    } = notice
    else {
        return None;
    };
    Some(match removals {
        0 => "what another device removed was answered".to_owned(),
        removals => format!(
            "{} removed {removals} of {nodes} files and directories; they are kept for 30 days; `confirm --revert` \
             brings them back, `confirm` lets that stand",
            sync_engine::name::visible(device)
        ),
    })
}

/// Returns what a person reads of a notice, or nothing when it is not worth a line. All of it is safe to show.
#[must_use]
pub fn notice_in_words(notice: &Notice) -> Option<String> {
    let visible = |text: &str| sync_engine::name::visible(text);
    let line = match notice {
        Notice::Account {
            id,
            handle,
            device,
            server,
            fingerprint,
        } => format!(
            "account {}, device {}, server {} (key {fingerprint})",
            id.as_ref().unwrap_or(handle),
            visible(device),
            visible(server),
        ),
        Notice::Connected { server } => format!("connected to {}", visible(server)),
        Notice::Disconnected { reason, retry_ms } => format!(
            "not connected: {}; next try in {} s",
            visible(reason),
            retry_ms.div_ceil(1000),
        ),
        Notice::Scanning { nodes: 0 } => "looking at the folder".to_owned(),
        Notice::Scanning { .. } | Notice::Progress(_) | Notice::Syncing { .. } => return None,
        Notice::Change(change) => change_in_words(change),
        Notice::Conflict {
            path,
            with: _,
            device: _,
            resolved: true,
        } => format!("conflict resolved: {path}"),
        Notice::Conflict {
            path,
            with: Some(with),
            device,
            resolved: false,
        } => format!(
            "conflict: {path} is the side of {}; {with} keeps the name",
            visible(device)
        ),
        Notice::Conflict {
            path,
            with: None,
            device,
            resolved: false,
        } => format!(
            "conflict: {path} is the side of {}; the other is gone",
            visible(device)
        ),
        Notice::Blocked {
            path,
            reason: Some(reason),
        } => format!("blocked: {} ({})", path_in_words(path), visible(reason)),
        Notice::Blocked { path, reason: None } => format!("blocked no more: {}", path_in_words(path)),
        Notice::Removed { .. } => removed_in_words(notice)?,
        Notice::Brake { removals: 0, .. } => "the brake is released".to_owned(),
        Notice::Brake {
            removals,
            nodes,
            reason,
        } => format!(
            "stopped before removing {removals} of {nodes} files and directories: {}; `confirm` lets it go on",
            visible(reason),
        ),
        Notice::Synced { version } => format!("synced, journal {version}"),
        Notice::Error(Trouble { what, done, todo }) => {
            format!("error: {}; {}; {}", visible(what), visible(done), visible(todo))
        }
    };
    Some(line)
}

fn change_in_words(change: &ChangeNotice) -> String {
    let way = match change.direction {
        Direction::Up => "up",
        Direction::Down => "down",
    };
    let deed = kind_in_words(change.kind);
    let device = sync_engine::name::visible(&change.device);
    let from = change
        .from
        .as_ref()
        .map(|from| format!(" from {from}"))
        .unwrap_or_default();
    let remark = change
        .remark
        .as_ref()
        .map(|remark| format!(" ({})", sync_engine::name::visible(remark)))
        .unwrap_or_default();
    format!("{way}: {} {deed}{from} by {device}{remark}", change.path)
}
