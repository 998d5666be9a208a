//! Answers for people: calm, aligned lines in which nothing can trick a terminal.

use jiff::tz::TimeZone;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use sync_engine::name::visible;

use super::Surroundings;
use crate::control::{Answer, ConflictItem, ConflictSide, DeviceItem, KeptItem, LogItem, State, Status};
use crate::notice::Trouble;
use crate::options::Deed;
use crate::output::{notice_in_words, time_of_ms};
use crate::words::{kind_in_words, path_in_words};

/// Returns an answer's lines.
pub(super) fn lines(deed: &Deed, answer: &Answer, surroundings: &Surroundings) -> Vec<String> {
    let zone = surroundings.now.time_zone();
    match answer {
        Answer::Status(status) => status_lines(status, zone),
        Answer::TimedOut(status) => {
            let mut lines = vec!["not synced in time".to_owned()];
            lines.extend(status_lines(status, zone));
            lines
        }
        Answer::Identity(identity) if *deed == Deed::Link => {
            let mut lines = vec![identity.link.clone()];
            if surroundings.terminal {
                lines.extend(qr_code(&identity.link));
            }
            lines
        }
        Answer::Identity(identity) => vec![identity.id.clone()],
        Answer::Log(items) => or_nothing(items.iter().map(|item| entry_line(item, zone)), "no changes"),
        Answer::History { items, kept } => {
            let entries = items.iter().map(|item| entry_line(item, zone));
            entries.chain(kept_lines(kept, zone)).collect()
        }
        Answer::Restored(nodes) => vec![format!("restored: {nodes} files and directories made or changed")],
        Answer::Conflicts(items) => or_nothing(
            items.iter().flat_map(|item| conflict_lines(item, zone)),
            "no conflicts",
        ),
        Answer::Devices(items) => or_nothing(items.iter().map(|item| device_line(item, zone)), "no devices"),
        Answer::Report { lines, .. } => lines.iter().map(|line| visible(line)).collect(),
        Answer::Notice(notice) => notice_in_words(notice).into_iter().collect(),
        Answer::Failed(trouble) | Answer::Unconnected { trouble, .. } => {
            vec![visible(&trouble.to_string())]
        }
        Answer::Done if matches!(deed, Deed::RevokeDevice { .. }) => {
            ["done: the device is shut out", AFTER_REVOKING]
                .map(str::to_owned)
                .to_vec()
        }
        Answer::Done => vec!["done".to_owned()],
        // No command asks for a list, and of one that is not answered the caller tells.
        Answer::List(_) | Answer::Ending => Vec::new(),
    }
}

/// What a person has to know who shuts a device out. The disk of that device still has the account's ID.
pub(super) const AFTER_REVOKING: &str = "whoever has its disk has the account's ID too, and can join again by it: if it is \
                                         lost, replace the ID with `tui-client devices FOLDER replace-id`";

fn or_nothing(lines: impl Iterator<Item = String>, nothing: &str) -> Vec<String> {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        vec![nothing.to_owned()]
    } else {
        lines
    }
}

/// Returns the lines of a QR code, light on dark as most terminals are, with the quiet border that readers need.
fn qr_code(text: &str) -> Vec<String> {
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::L) else {
        return Vec::new();
    };
    let drawn = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    drawn.lines().map(str::to_owned).collect()
}

fn local_time(ms: u64, zone: &TimeZone) -> String {
    let time = time_of_ms(ms).to_zoned(zone.clone());
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn status_lines(status: &Status, zone: &TimeZone) -> Vec<String> {
    let state = match status.state {
        State::Synced => "synced",
        State::Syncing => "syncing",
        State::Offline => "offline",
        State::Halted => "halted",
        State::Error => "error",
    };
    let reached = if status.connected {
        "connected"
    } else {
        "not connected"
    };
    let protected = status
        .protected_ms
        .map_or_else(|| "never".to_owned(), |ms| local_time(ms, zone));
    let fields = [
        ("state", state.to_owned()),
        ("journal", status.version.to_string()),
        ("pending", status.pending.to_string()),
        ("nodes", status.nodes.to_string()),
        ("protected", protected),
        ("device", visible(&status.device)),
        ("server", format!("{}, {reached}", visible(&status.server))),
        ("conflicts", status.conflicts.to_string()),
        ("blocked", status.blocked.len().to_string()),
    ];
    let mut lines: Vec<String> = fields
        .into_iter()
        .map(|(name, value)| format!("{name:<10} {value}"))
        .collect();
    for (path, reason) in &status.blocked {
        lines.push(format!("           {}: {}", path_in_words(path), visible(reason)));
    }
    if let Some((removals, nodes)) = status.brake {
        lines.push(format!(
            "brake      {removals} of {nodes} would be removed; `confirm` lets it go on"
        ));
    }
    if let Some((removals, nodes)) = status.removed {
        lines.push(format!(
            "removed    {removals} of {nodes} were removed by another device; `confirm --revert` brings them back, \
             `confirm` lets that stand"
        ));
    }
    let warnings = status.warnings.iter().map(|warning| ("warning", warning));
    let trouble = status.trouble.iter().map(|trouble| ("trouble", trouble));
    for (name, Trouble { what, done, todo }) in warnings.chain(trouble) {
        let parts = [(name, what), ("  done", done), ("  next", todo)];
        lines.extend(parts.map(|(name, text)| format!("{name:<10} {}", visible(text))));
    }
    lines
}

fn entry_line(item: &LogItem, zone: &TimeZone) -> String {
    let size = item.size_bytes.map(|bytes| bytes.to_string()).unwrap_or_default();
    format!(
        "{:>8}  {}  {:<18}  {size:>12}  {}  {}",
        item.version.0,
        local_time(item.time_ms, zone),
        kind_in_words(item.kind),
        visible(&item.device),
        item.path,
    )
}

/// Returns the lines of what this device alone has.
fn kept_lines(kept: &[KeptItem], zone: &TimeZone) -> Vec<String> {
    let mut lines = vec![
        "on this device alone, since the server was put back; `restore FOLDER PATH --kept ID` brings it back:".to_owned(),
    ];
    lines.extend(kept.iter().map(|item| {
        format!(
            "    kept  {}  {}  {:>12}  {}",
            local_time(item.time_ms, zone),
            item.id,
            item.size_bytes,
            item.path,
        )
    }));
    lines
}

fn conflict_lines(item: &ConflictItem, zone: &TimeZone) -> Vec<String> {
    let side = |side: &ConflictSide| {
        let ms = u64::try_from(side.mtime_ns / 1_000_000).unwrap_or(0);
        format!(
            "{}, {} bytes, {}",
            side.path,
            side.size_bytes,
            local_time(ms, zone)
        )
    };
    let this = item.this.as_ref().map_or_else(|| "is gone".to_owned(), side);
    vec![
        format!("this  {this}"),
        format!("that  {}", side(&item.that)),
        format!("      of {}: {}", visible(&item.device), visible(&item.cause)),
    ]
}

fn device_line(item: &DeviceItem, zone: &TimeZone) -> String {
    let state = if item.revoked {
        "shut out".to_owned()
    } else if item.online {
        "online".to_owned()
    } else {
        format!("seen {}", local_time(item.seen_ms, zone))
    };
    let here = if item.here { " (this one)" } else { "" };
    format!("{}  {state:<24}  {}{here}", item.id, visible(&item.name))
}
