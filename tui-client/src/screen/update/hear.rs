//! What the client tells, taken in.

use sync_engine::{RelPath, Version};

use crate::control::Ask;
use crate::notice::{ChangeNotice, Notice};
use crate::screen::attention::{Brake, Removed};
use crate::screen::feed::{Event, Line};
use crate::screen::model::{Connection, Model};
use crate::screen::pane::Pane;

/// Takes a notice in.
pub(super) fn notice(model: &mut Model, notice: Notice) {
    match notice {
        Notice::Account {
            id: _,
            handle: _,
            device,
            server,
            fingerprint,
        } => {
            model.account.device = device;
            model.account.server = server;
            model.account.fingerprint = Some(fingerprint);
            model.questions.want(Ask::Identity);
        }
        Notice::Connected { server } => {
            model.connection = Connection::Connected;
            model.account.server = server;
            model.questions.want(Ask::Status);
            model.questions.want(Ask::Devices);
        }
        Notice::Disconnected { reason, retry_ms } => {
            model.connection = Connection::Disconnected {
                reason,
                retry_ms: model.now_ms.saturating_add(retry_ms),
            };
            model.questions.want(Ask::Status);
        }
        Notice::Scanning { nodes } => model.scanning = Some(nodes),
        Notice::Change(change) => changed(model, change),
        Notice::Conflict {
            path,
            with,
            device,
            resolved,
        } => {
            let line = Line {
                time_ms: model.now_ms,
                event: Event::Conflict { resolved },
                path,
                from: with,
                device,
                remark: None,
            };
            conflict(model, line);
        }
        Notice::Blocked { path, reason } => blocked(model, path, reason),
        Notice::Brake {
            removals,
            nodes,
            reason,
        } => {
            let brake = Brake {
                removals,
                nodes,
                reason,
            };
            braked(model, brake);
        }
        Notice::Removed { removals, nodes, .. } => removed(model, Removed { removals, nodes }),
        Notice::Progress(progress) => model.transfers.progress(progress, model.now_ms),
        Notice::Synced { version } => synced(model, version),
        Notice::Syncing { pending } => syncing(model, pending),
        Notice::Error(trouble) => {
            model.attention.error(trouble, model.now_ms);
            model.questions.want(Ask::Status);
        }
    }
}

fn blocked(model: &mut Model, path: RelPath, reason: Option<String>) {
    touch(model, &path);
    model.attention.block(path, reason);
    model.questions.want(Ask::Status);
}

fn braked(model: &mut Model, brake: Brake) {
    model.attention.brake = Some(brake).filter(|brake| brake.removals > 0);
    model.questions.want(Ask::Status);
}

fn removed(model: &mut Model, removed: Removed) {
    model.attention.removed = Some(removed).filter(|removed| removed.removals > 0);
    model.questions.want(Ask::Status);
}

fn synced(model: &mut Model, version: Version) {
    model.version = model.version.max(version);
    model.scanning = None;
    model.transfers.settle();
    model.questions.want(Ask::Status);
    // What came in one piece, as at the first contact, was not told change by change.
    let known = model.tree.known();
    model.want_listings(known);
}

fn syncing(model: &mut Model, pending: u64) {
    let restless = model.tree.restless();
    model.want_listings(restless);
    model.scanning = None;
    if let Some(status) = &mut model.status {
        status.pending = pending;
    }
    model.questions.want(Ask::Status);
}

fn changed(model: &mut Model, change: ChangeNotice) {
    model.version = model.version.max(change.version.unwrap_or_default());
    touch(model, &change.path);
    if let Some(from) = &change.from {
        touch(model, from);
    }
    if let Some(path) = model.history.path.clone().filter(|path| *path == change.path) {
        model.questions.want(Ask::History { path });
    }
    let added = model.feed.change(change, model.now_ms);
    hold_place(model, usize::from(added));
}

fn conflict(model: &mut Model, line: Line) {
    touch(model, &line.path);
    if let Some(with) = &line.from {
        touch(model, with);
    }
    model.questions.want(Ask::Conflicts);
    model.questions.want(Ask::Status);
    let added = model.feed.add(line);
    hold_place(model, usize::from(added));
}

/// Wants the listings that a change at a path touches.
fn touch(model: &mut Model, path: &RelPath) {
    let touched = model.tree.touched(path);
    model.want_listings(touched);
}

/// Keeps the feed's selection on its line when lines come in above; at the top it stays at the top.
pub(super) fn hold_place(model: &mut Model, added: usize) {
    let unfiltered = model.filter(Pane::Feed).is_empty();
    let cursor = &mut model.cursors[Pane::Feed.index()];
    if cursor.selected > 0 && unfiltered {
        cursor.selected += added;
        cursor.top += added;
    }
}
