//! The client's answers, taken in.

use sync_engine::NodeId;

use crate::control::{Answer, Ask, Status};
use crate::notice::Trouble;
use crate::screen::attention::{Brake, Removed};
use crate::screen::cursor::Cursor;
use crate::screen::model::{Connection, Model, Popup};
use crate::screen::pane::Pane;

/// Takes an answer in.
pub(super) fn answer(model: &mut Model, ask: &Ask, answer: Answer) {
    model.questions.answered(ask);
    let failed = matches!(answer, Answer::Failed(_) | Answer::Unconnected { .. });
    match answer {
        Answer::Status(status) | Answer::TimedOut(status) => take_status(model, status),
        Answer::Identity(identity) => {
            model.account.id = Some(identity.id);
            model.account.link = Some(identity.link);
        }
        Answer::List(items) => {
            if let Ask::List { dir } = ask {
                let dir = dir.unwrap_or(NodeId::ROOT);
                let missing = model
                    .tree
                    .listed(dir, items, &mut model.cursors[Pane::Tree.index()]);
                model.want_listings(missing);
            }
        }
        Answer::Log(items) | Answer::History { items, .. } => match ask {
            Ask::History { path } if model.history.path.as_ref() == Some(path) => {
                model.history.items = Some(items);
            }
            Ask::Log { .. } => model.feed.past(items),
            _ => (),
        },
        Answer::Conflicts(conflicts) => {
            let selected = model.conflict().map(|conflict| conflict.that.id);
            model
                .marked_conflicts
                .retain(|id| conflicts.iter().any(|conflict| conflict.that.id == *id));
            model.conflicts = Some(conflicts);
            reselect(model, Pane::Conflicts, |model, at| {
                model
                    .conflicts
                    .as_ref()
                    .and_then(|all| all.get(at))
                    .map(|conflict| conflict.that.id)
                    == selected
            });
        }
        Answer::Devices(devices) => {
            let selected = model.device().map(|device| device.id);
            model
                .marked_devices
                .retain(|id| devices.iter().any(|device| device.id == *id));
            model.devices = Some(devices);
            reselect(model, Pane::Devices, |model, at| {
                model
                    .devices
                    .as_ref()
                    .and_then(|all| all.get(at))
                    .map(|device| device.id)
                    == selected
            });
        }
        Answer::Report { sound, lines, .. } => report(model, ask, sound, lines),
        Answer::Failed(trouble) | Answer::Unconnected { trouble, .. } => take_failure(model, ask, trouble),
        Answer::Restored(_) | Answer::Done | Answer::Notice(_) | Answer::Ending => (),
    }
    settle_deeds(model, ask, failed);
}

fn take_status(model: &mut Model, status: Status) {
    model.connection = match (&model.connection, status.connected) {
        (_, true) => Connection::Connected,
        (Connection::Disconnected { .. }, false) => model.connection.clone(),
        (_, false) => Connection::Disconnected {
            reason: "the server is out of reach".to_owned(),
            retry_ms: 0,
        },
    };
    model.version = model.version.max(status.version);
    model.account.device.clone_from(&status.device);
    model.account.server.clone_from(&status.server);
    model.attention.standing.clone_from(&status.trouble);
    model.attention.blocked(status.blocked.clone());
    model.attention.brake = status.brake.map(|(removals, nodes)| {
        let reason = model
            .attention
            .brake
            .as_ref()
            .map_or_else(String::new, |brake| brake.reason.clone());
        Brake {
            removals,
            nodes,
            reason,
        }
    });
    model.attention.removed = status
        .removed
        .map(|(removals, nodes)| Removed { removals, nodes });
    if model
        .conflicts
        .as_ref()
        .is_some_and(|conflicts| conflicts.len() as u64 != status.conflicts)
    {
        model.questions.want(Ask::Conflicts);
    }
    model.status = Some(status);
}

/// Selects the entry that was selected before the list changed.
fn reselect(model: &mut Model, pane: Pane, is_it: impl Fn(&Model, usize) -> bool) {
    let shown = model.shown(pane);
    if let Some(at) = shown.iter().position(|index| is_it(model, *index)) {
        model.cursors[pane.index()].selected = at;
    }
}

fn report(model: &mut Model, ask: &Ask, sound: bool, lines: Vec<String>) {
    let title = match ask {
        Ask::Why { path } => format!("Why is {path} in this state?"),
        _ if sound => "All is well".to_owned(),
        _ => "Something is wrong".to_owned(),
    };
    // Whoever is asked something, or types, is not interrupted.
    if matches!(
        model.popup,
        None | Some(Popup::Help(_) | Popup::Account(_) | Popup::Report { .. })
    ) {
        model.popup = Some(Popup::Report {
            title,
            lines,
            cursor: Cursor::default(),
        });
    } else {
        model.say(title, sound);
    }
}

fn take_failure(model: &mut Model, ask: &Ask, trouble: Trouble) {
    match ask {
        // A directory or a path that is gone meanwhile is no news.
        Ask::List { .. } => (),
        Ask::History { path } => {
            if model.history.path.as_ref() == Some(path) {
                model.history.items = Some(Vec::new());
            }
        }
        _ => {
            model.say(trouble.to_string(), false);
            model.attention.error(trouble, model.now_ms);
        }
    }
}

/// Notes that an order was answered; says so when it was the last of its deed.
fn settle_deeds(model: &mut Model, ask: &Ask, failed: bool) {
    let Some(at) = model.deeds.iter().position(|pending| pending.open.contains(ask)) else {
        return;
    };
    let pending = &mut model.deeds[at];
    pending.failed |= failed;
    if let Some(open) = pending.open.iter().position(|other| other == ask) {
        pending.open.remove(open);
    }
    if !pending.open.is_empty() {
        return;
    }
    let pending = model.deeds.remove(at);
    for order in &pending.deed.asks {
        want_after(model, order);
    }
    if !pending.failed {
        model.undo = pending.deed.undo;
        model.say(pending.deed.said, true);
    }
}

/// Wants to know what an order has changed.
fn want_after(model: &mut Model, order: &Ask) {
    match order {
        Ask::Resolve { .. } => {
            model.questions.want(Ask::Conflicts);
            model.questions.want(Ask::Status);
        }
        Ask::Restore { path, .. } => {
            let touched = model.tree.touched(path);
            model.want_listings(touched);
            if let Some(path) = model.history.path.clone() {
                model.questions.want(Ask::History { path });
            }
        }
        Ask::RenameDevice { .. } | Ask::RevokeDevice { .. } => model.questions.want(Ask::Devices),
        Ask::ReplaceId => model.questions.want(Ask::Identity),
        _ => model.questions.want(Ask::Status),
    }
}
