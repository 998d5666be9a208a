//! What asks before it is done: each names its effect, and says beforehand what can be undone.

use sync_engine::Version;

use super::act::confirm;
use crate::control::{Ask, Choice, ConflictItem, LogItem, Moment};
use crate::notice::ChangeKind;
use crate::screen::confirm::{Confirm, Deed, Undo};
use crate::screen::input::Input;
use crate::screen::model::{Model, Popup};
use crate::screen::text;

/// Asks whether to undo the last deed.
pub(super) fn undo(model: &mut Model) {
    let Some(undo) = model.undo.clone() else {
        model.say("there is nothing to undo", false);
        return;
    };
    let deed = Deed {
        asks: undo.asks,
        said: "undone".to_owned(),
        undo: None,
    };
    confirm(model, Confirm::new("Undo", vec![undo.says], "Undo it", deed));
}

/// Asks how the marked conflicts, or the selected one, shall end.
pub(super) fn resolve(model: &mut Model, choice: Option<Choice>) {
    let all = model.conflicts.iter().flatten();
    let mut chosen: Vec<ConflictItem> = all
        .filter(|conflict| model.marked_conflicts.contains(&conflict.that.id))
        .cloned()
        .collect();
    if chosen.is_empty() {
        chosen.extend(model.conflict().cloned());
    }
    let title = match chosen.as_slice() {
        [] => return,
        [one] => format!("Conflict over {}", one.this.as_ref().unwrap_or(&one.that).path),
        many => format!("{} conflicts", many.len()),
    };
    let before = model.version;
    let mut choices = choice.map_or_else(
        || vec![Choice::This, Choice::That, Choice::Both],
        |choice| vec![choice],
    );
    if chosen.iter().any(|conflict| conflict.this.is_none()) {
        // Keeping a side that is gone would leave nothing.
        choices.retain(|choice| *choice != Choice::This);
    }
    if choices.is_empty() {
        model.say("this side is gone: keep that, or both", false);
        return;
    }
    let mut lines = Vec::new();
    let mut deeds = Vec::new();
    for choice in choices {
        let (label, effect) = effect_of(choice, &chosen);
        lines.push(effect);
        deeds.push((label, resolution(choice, &chosen, before)));
    }
    lines.push("What goes stays in the history.".to_owned());
    confirm(model, Confirm::choose(&title, lines, deeds));
}

fn effect_of(choice: Choice, chosen: &[ConflictItem]) -> (&'static str, String) {
    let n = chosen.len() as u64;
    let copies = text::count(n, "conflict cop").replace("cops", "copies");
    let copies = if n == 1 {
        "1 conflict copy".to_owned()
    } else {
        copies
    };
    let devices: std::collections::BTreeSet<&str> =
        chosen.iter().map(|conflict| conflict.device.as_str()).collect();
    let devices: Vec<&str> = devices.into_iter().take(3).collect();
    let devices = devices.join(", ");
    match choice {
        Choice::This => (
            "Keep this",
            format!("Keep this: {copies} (of {devices}) will be deleted."),
        ),
        Choice::That => (
            "Keep that",
            format!(
                "Keep that: {} will get the bytes of {devices}.",
                text::count(n, "file")
            ),
        ),
        Choice::Both => (
            "Keep both",
            "Keep both: nothing is deleted; both stay as files of their own.".to_owned(),
        ),
    }
}

fn resolution(choice: Choice, chosen: &[ConflictItem], before: Version) -> Deed {
    let asks = chosen.iter().map(|conflict| Ask::Resolve {
        path: conflict.that.path.clone(),
        choice,
    });
    let asks: Vec<Ask> = asks.collect();
    let back = |conflict: &ConflictItem| {
        let this = conflict.this.as_ref().filter(|_| choice == Choice::That);
        let sides = std::iter::once(&conflict.that).chain(this);
        sides
            .map(|side| Ask::Restore {
                path: side.path.clone(),
                at: Moment::Version(before),
                to: None,
            })
            .collect::<Vec<_>>()
    };
    let undo = match choice {
        // Nothing went, and a mark that is gone cannot be set again.
        Choice::Both => None,
        Choice::This | Choice::That => Some(Undo {
            says: "Brings both sides back as they were, as two files. The conflict stays ended.".to_owned(),
            asks: chosen.iter().flat_map(back).collect(),
        }),
    };
    let kept = match choice {
        Choice::This => "kept this side",
        Choice::That => "kept that side",
        Choice::Both => "kept both",
    };
    Deed {
        said: format!("{kept}: {} ended", text::count(asks.len() as u64, "conflict")),
        asks,
        undo,
    }
}

/// Asks whether to bring a version back.
pub(super) fn restore(model: &mut Model) {
    let Some(past) = model.past().cloned() else {
        return;
    };
    let when = text::moment(past.time_ms, model.now_ms, &model.options.theme.zone);
    let (at, what) = match past.kind {
        // Of a deletion, what was there before it is wanted.
        ChangeKind::Deleted => (
            Version(past.version.0.saturating_sub(1)),
            format!(
                "Brings back {} as it was before it was deleted ({when}).",
                past.path
            ),
        ),
        ChangeKind::Created | ChangeKind::Edited | ChangeKind::Attributes | ChangeKind::Moved => (
            past.version,
            format!(
                "Brings back {} as of version {} ({when}).",
                past.path, past.version
            ),
        ),
    };
    let deed = Deed {
        asks: vec![Ask::Restore {
            path: past.path.clone(),
            at: Moment::Version(at),
            to: None,
        }],
        said: format!("brought back {}", past.path),
        undo: undo_of_restore(model, &past),
    };
    let lines = vec![what, "What is there now stays in the history.".to_owned()];
    confirm(model, Confirm::new("Restore", lines, "Restore", deed));
}

/// A restored file can be put back to what it was before, if it was there.
fn undo_of_restore(model: &Model, past: &LogItem) -> Option<Undo> {
    let newest = model.history.items.as_ref()?.first()?;
    if newest.kind == ChangeKind::Deleted || newest.path != past.path {
        return None;
    }
    Some(Undo {
        says: format!(
            "Brings back {} as of version {}, before the restore.",
            newest.path, newest.version
        ),
        asks: vec![Ask::Restore {
            path: newest.path.clone(),
            at: Moment::Version(newest.version),
            to: None,
        }],
    })
}

/// Asks for another name of the selected device.
pub(super) fn rename(model: &mut Model) {
    if let Some(device) = model.device() {
        model.popup = Some(Popup::Rename {
            device: device.id,
            was: device.name.clone(),
            input: Input::new(&device.name),
        });
    }
}

/// Asks whether to shut out the marked devices, or the selected one.
pub(super) fn revoke(model: &mut Model) {
    let all = model.devices.iter().flatten();
    let mut chosen: Vec<_> = all
        .filter(|device| model.marked_devices.contains(&device.id))
        .cloned()
        .collect();
    if chosen.is_empty() {
        chosen.extend(model.device().cloned());
    }
    chosen.retain(|device| !device.revoked);
    if chosen.is_empty() {
        model.say("it is shut out already", false);
        return;
    }
    let names: Vec<&str> = chosen.iter().map(|device| device.name.as_str()).collect();
    let mut lines = vec![
        format!(
            "Shuts out {}: {}.",
            text::count(chosen.len() as u64, "device"),
            names.join(", ")
        ),
        "It gets and sends nothing any more; the files that it has stay on it.".to_owned(),
        "Only an enrolment with the account's ID lets it in again. If it is lost, replace the ID as well."
            .to_owned(),
    ];
    if chosen.iter().any(|device| device.here) {
        lines.push("One of them is THIS device: it stops synchronising at once.".to_owned());
    }
    let deed = Deed {
        asks: chosen
            .iter()
            .map(|device| Ask::RevokeDevice { device: device.id })
            .collect(),
        said: format!("shut out: {}", names.join(", ")),
        undo: None,
    };
    confirm(model, Confirm::new("Revoke", lines, "Revoke", deed));
}

/// Asks whether to replace the account's ID.
pub(super) fn replace_id(model: &mut Model) {
    let lines = vec![
        "Gives the account another ID. The old ID and all old pairing links enrol nobody any more."
            .to_owned(),
        "Devices that are enrolled already go on without a break.".to_owned(),
    ];
    let deed = Deed {
        asks: vec![Ask::ReplaceId],
        said: "the account has another ID: press a to see it".to_owned(),
        undo: None,
    };
    confirm(model, Confirm::new("Replace the ID", lines, "Replace it", deed));
}

fn revert() -> Deed {
    Deed {
        asks: vec![Ask::Revert],
        said: "what was gone is brought back".to_owned(),
        undo: None,
    }
}

/// Asks whether to bring back what another device has removed.
fn answer_removed(model: &mut Model) {
    let Some(removed) = &model.attention.removed else {
        model.say("the brake is not on, and nothing waits to be brought back", false);
        return;
    };
    let lines = vec![
        format!(
            "Another device removed {} of {}.",
            text::count(removed.removals, "node"),
            text::number(removed.nodes),
        ),
        "Brought back, they are made anew on all devices.".to_owned(),
    ];
    let stand = Deed {
        asks: vec![Ask::Confirm],
        said: "what was removed stays removed".to_owned(),
        undo: None,
    };
    let deeds = vec![("Bring them back", revert()), ("Let it stand", stand)];
    confirm(model, Confirm::choose("Removed by another device", lines, deeds));
}

/// Asks whether to release the brake, or to bring back what it holds back; and without it, what another device has removed.
pub(super) fn release_brake(model: &mut Model) {
    let Some(brake) = &model.attention.brake else {
        return answer_removed(model);
    };
    let lines = vec![
        format!(
            "Removes or overwrites {} of {} here. {}",
            text::count(brake.removals, "node"),
            text::number(brake.nodes),
            brake.reason,
        ),
        "What goes stays in the history.".to_owned(),
    ];
    let label = format!("Remove {}", text::number(brake.removals));
    let deed = Deed {
        asks: vec![Ask::Confirm],
        said: "the brake is released".to_owned(),
        undo: None,
    };
    let deeds = vec![(label.as_str(), deed), ("Bring them back", revert())];
    confirm(model, Confirm::choose("Release the brake", lines, deeds));
}
