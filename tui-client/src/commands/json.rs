//! Answers for programs: one JSON object a line, with `event` and `time` first, as in the headless mode.

use jiff::Timestamp;
use serde::Serialize;
use sync_engine::Version;

use crate::control::{Answer, ConflictItem, DeviceItem, KeptItem, LogItem, Status};
use crate::notice::{ChangeKind, Trouble};
use crate::options::Deed;
use crate::output::{JsonConflict, JsonPath, json_line, rfc3339, time_of_ms};

/// Returns an answer's lines.
pub(super) fn lines(deed: &Deed, answer: &Answer, now: Timestamp) -> Vec<String> {
    match answer {
        Answer::Status(status) | Answer::TimedOut(status) => {
            vec![json_line("status", now, &JsonStatus::from(status))]
        }
        Answer::Identity(identity) if *deed == Deed::Link => {
            vec![json_line("link", now, &Link { link: &identity.link })]
        }
        Answer::Identity(identity) => vec![json_line("account", now, &Account { id: &identity.id })],
        Answer::Log(items) => items.iter().map(entry_line).collect(),
        Answer::History { items, kept } => {
            let entries = items.iter().map(entry_line);
            entries.chain(kept.iter().map(kept_line)).collect()
        }
        Answer::Restored(nodes) => vec![json_line("restored", now, &Restored { nodes: *nodes })],
        Answer::Conflicts(items) => items.iter().map(|item| conflict_line(item, now)).collect(),
        Answer::Devices(items) => {
            let line = |item| json_line("device", now, &JsonDevice::from(item));
            items.iter().map(line).collect()
        }
        Answer::Report {
            sound,
            is_partial,
            lines,
        } => {
            let (sound, partial) = (*sound, *is_partial);
            vec![json_line(
                "report",
                now,
                &Report {
                    sound,
                    partial,
                    lines,
                },
            )]
        }
        Answer::Notice(notice) => crate::output::notice_as_json(notice, now).into_iter().collect(),
        Answer::Failed(trouble) | Answer::Unconnected { trouble, .. } => {
            vec![json_line("error", now, trouble)]
        }
        Answer::Done if matches!(deed, Deed::RevokeDevice { .. }) => {
            let todo = super::show::AFTER_REVOKING;
            vec![json_line("done", now, &Revoked { todo })]
        }
        Answer::Done => vec![json_line("done", now, &Nothing {})],
        // No command asks for a list, and of one that is not answered the caller tells.
        Answer::List(_) | Answer::Ending => Vec::new(),
    }
}

#[derive(Serialize)]
struct Revoked {
    todo: &'static str,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Link<'a> {
    link: &'a str,
}

#[derive(Serialize)]
struct Account<'a> {
    id: &'a str,
}

#[derive(Serialize)]
struct Restored {
    nodes: u64,
}

#[derive(Serialize)]
struct Report<'a> {
    sound: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
    lines: &'a [String],
}

#[derive(Serialize)]
struct JsonBlocked<'a> {
    #[serde(flatten)]
    path: JsonPath,
    reason: &'a str,
}

#[derive(Serialize)]
struct JsonStatus<'a> {
    state: crate::control::State,
    journal: Version,
    pending: u64,
    blocked: Vec<JsonBlocked<'a>>,
    conflicts: u64,
    nodes: u64,
    device: &'a str,
    device_id: Option<String>,
    server: &'a str,
    connected: bool,
    protected: Option<String>,
    trouble: Option<&'a Trouble>,
    brake: Option<JsonBrake>,
    removed: Option<JsonBrake>,
    warnings: &'a [Trouble],
}

#[derive(Serialize)]
struct JsonBrake {
    removals: u64,
    nodes: u64,
}

impl<'a> From<&'a Status> for JsonStatus<'a> {
    fn from(status: &'a Status) -> Self {
        let blocked = |(path, reason): &'a (_, String)| JsonBlocked {
            path: JsonPath::from(path),
            reason,
        };
        Self {
            state: status.state,
            journal: status.version,
            pending: status.pending,
            blocked: status.blocked.iter().map(blocked).collect(),
            conflicts: status.conflicts,
            nodes: status.nodes,
            device: &status.device,
            device_id: status.device_id.map(|id| id.to_string()),
            server: &status.server,
            connected: status.connected,
            protected: status.protected_ms.map(|ms| rfc3339(time_of_ms(ms))),
            trouble: status.trouble.as_ref(),
            brake: status
                .brake
                .map(|(removals, nodes)| JsonBrake { removals, nodes }),
            removed: status
                .removed
                .map(|(removals, nodes)| JsonBrake { removals, nodes }),
            warnings: &status.warnings,
        }
    }
}

/// Returns the line of a change in the history; its time is when the server took it.
fn entry_line(item: &LogItem) -> String {
    #[derive(Serialize)]
    struct Entry<'a> {
        journal: Version,
        #[serde(flatten)]
        path: JsonPath,
        kind: ChangeKind,
        device: &'a str,
        size_bytes: Option<u64>,
    }
    let entry = Entry {
        journal: item.version,
        path: (&item.path).into(),
        kind: item.kind,
        device: &item.device,
        size_bytes: item.size_bytes,
    };
    json_line("entry", time_of_ms(item.time_ms), &entry)
}

/// Returns the line of a content that this device alone has; its time is when it was replaced or removed here.
fn kept_line(item: &KeptItem) -> String {
    #[derive(Serialize)]
    struct Kept {
        kept: String,
        #[serde(flatten)]
        path: JsonPath,
        size_bytes: u64,
    }
    let kept = Kept {
        kept: item.id.to_string(),
        path: (&item.path).into(),
        size_bytes: item.size_bytes,
    };
    json_line("kept", time_of_ms(item.time_ms), &kept)
}

fn conflict_line(item: &ConflictItem, now: Timestamp) -> String {
    #[derive(Serialize)]
    struct Conflict<'a> {
        #[serde(flatten)]
        conflict: JsonConflict<'a>,
        cause: &'a str,
    }
    let with = item.this.as_ref().map(|side| &side.path);
    let conflict = Conflict {
        conflict: JsonConflict::new(&item.that.path, with, &item.device, false),
        cause: &item.cause,
    };
    json_line("conflict", now, &conflict)
}

#[derive(Serialize)]
struct JsonDevice<'a> {
    id: String,
    name: &'a str,
    here: bool,
    online: bool,
    revoked: bool,
    enrolled: String,
    seen: String,
}

impl<'a> From<&'a DeviceItem> for JsonDevice<'a> {
    fn from(item: &'a DeviceItem) -> Self {
        Self {
            id: item.id.to_string(),
            name: &item.name,
            here: item.here,
            online: item.online,
            revoked: item.revoked,
            enrolled: rfc3339(time_of_ms(item.enrolled_ms)),
            seen: rfc3339(time_of_ms(item.seen_ms)),
        }
    }
}
