//! What each action does.

use sync_engine::RelPath;

use super::{ask, refilter, show_history, start, window};
use crate::control::{Ask, Choice, ItemKind};
use crate::screen::attention::Entry;
use crate::screen::confirm::{Confirm, Deed};
use crate::screen::cursor::Cursor;
use crate::screen::input::Input;
use crate::screen::keys::{Action, Context};
use crate::screen::message::Effect;
use crate::screen::model::{Model, Popup};
use crate::screen::palette::Palette;
use crate::screen::pane::Pane;
use crate::screen::{Exit, layout, opener};

/// The most things that one key opens.
const OPEN_MAX: usize = 8;

/// Does what a key, a click or the palette asks for.
pub(super) fn act(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    if action == Action::Quit {
        effects.push(Effect::Quit(Exit::Quit));
    } else if model.popup.is_some() {
        window::act_in_window(model, action, effects);
    } else if model.filtering {
        act_in_filter(model, action);
    } else {
        act_in_pane(model, action, effects);
    }
}

fn act_in_filter(model: &mut Model, action: Action) {
    match action {
        Action::Enter => model.filtering = false,
        Action::Back => end_filter(model),
        Action::Down => step(model, 1),
        Action::Up => step(model, -1),
        _ => (),
    }
}

fn end_filter(model: &mut Model) {
    model.filtering = false;
    // What was found stays selected when all is shown again.
    let kept = model.selected(model.focus);
    model.filters[model.focus.index()] = Input::default();
    refilter(model);
    if model.focus != Pane::Tree {
        model.cursors[model.focus.index()].selected = kept.unwrap_or(0);
    }
}

fn act_in_pane(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    let page = isize::try_from(layout::list_height(model, model.focus).max(2)).unwrap_or(isize::MAX);
    match action {
        Action::Down => step(model, 1),
        Action::Up => step(model, -1),
        Action::HalfPageDown => step(model, page / 2),
        Action::HalfPageUp => step(model, -(page / 2)),
        Action::PageDown => step(model, page - 1),
        Action::PageUp => step(model, 1 - page),
        Action::Top => step(model, isize::MIN / 2),
        Action::Bottom => step(model, isize::MAX / 2),
        Action::NextPane => focus(model, model.focus.beside(false)),
        Action::PreviousPane => focus(model, model.focus.beside(true)),
        Action::GoTo(number) => focus(model, Pane::numbered(usize::from(number)).unwrap_or(model.focus)),
        Action::Zoom => model.zoomed = !model.zoomed,
        Action::Filter => model.filtering = true,
        Action::NextMatch => next_match(model, false),
        Action::PreviousMatch => next_match(model, true),
        Action::Back => back(model),
        Action::Help => model.popup = Some(Popup::Help(Cursor::default())),
        Action::Palette => {
            let contexts = [Context::Pane(model.focus), Context::Global];
            model.popup = Some(Popup::Palette(Palette::new(&model.options.keys, &contexts)));
        }
        Action::Account => {
            model.questions.want(Ask::Identity);
            model.popup = Some(Popup::Account(Cursor::default()));
        }
        Action::Mask => model.masked = !model.masked,
        Action::CopyLink => copy_link(model, effects),
        Action::CopyId => copy_id(model, effects),
        Action::Rescan => order(
            model,
            Ask::Rescan,
            "looking at the whole folder and the server anew",
            effects,
        ),
        Action::Verify => order(model, Ask::Verify, "checked", effects),
        Action::Undo => ask::undo(model),
        _ => act_on_selected(model, action, effects),
    }
}

fn act_on_selected(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::Enter => enter(model),
        Action::Expand => expand(model),
        Action::Close => close(model),
        Action::ExpandAll => {
            if let Some(dir) = model
                .tree
                .item_at(model.cursor(Pane::Tree).selected)
                .map(|item| item.id)
            {
                let missing = model.tree.open_all(dir, &mut model.cursors[Pane::Tree.index()]);
                model.want_listings(missing);
            }
        }
        Action::CollapseAll => model.tree.close_all(&mut model.cursors[Pane::Tree.index()]),
        Action::Mark => mark(model),
        Action::Copy => copy(model, effects),
        Action::Open => open(model, effects),
        Action::Edit => edit(model, effects),
        Action::Why => match model.tree_path() {
            Some(path) => model.questions.want(Ask::Why { path }),
            None => model.say("nothing is selected", false),
        },
        Action::ShowHistory => {
            if let Some(path) = selected_paths(model).into_iter().next() {
                model.history.held = model.focus != Pane::Tree;
                show_history(model, Some(path));
                focus(model, Pane::History);
            }
        }
        Action::Freeze => {
            let added = model.feed.toggle();
            super::hear::hold_place(model, added);
        }
        Action::Resolve => ask::resolve(model, None),
        Action::KeepThis => ask::resolve(model, Some(Choice::This)),
        Action::KeepThat => ask::resolve(model, Some(Choice::That)),
        Action::KeepBoth => ask::resolve(model, Some(Choice::Both)),
        Action::Restore => ask::restore(model),
        Action::Rename => ask::rename(model),
        Action::Revoke => ask::revoke(model),
        Action::ReplaceId => ask::replace_id(model),
        Action::ReleaseBrake => ask::release_brake(model),
        Action::Dismiss => dismiss(model),
        // The rest is done above, or only in a window.
        _ => (),
    }
}

fn step(model: &mut Model, by: isize) {
    let len = model.len(model.focus);
    model.cursors[model.focus.index()].step(by, len);
}

/// Gives a pane the keys.
pub(super) fn focus(model: &mut Model, pane: Pane) {
    if model.focus != pane {
        model.filtering = false;
    }
    if pane == Pane::Tree || model.tab != pane {
        // Whoever comes back to the tree wants the history of what is selected there.
        model.history.held &= pane == Pane::History;
    }
    model.focus = pane;
    if pane != Pane::Tree {
        model.tab = pane;
    }
    if pane == Pane::History && model.history.path.is_none() {
        show_history(model, model.tree_path());
    }
}

/// Goes back by one thing, the innermost first. Nothing is ever lost by it.
fn back(model: &mut Model) {
    if !model.filters[model.focus.index()].text().is_empty() {
        end_filter(model);
    } else if model.focus == Pane::Tree && !model.tree.marked.is_empty() {
        model.tree.marked.clear();
    } else if model.focus == Pane::Conflicts && !model.marked_conflicts.is_empty() {
        model.marked_conflicts.clear();
    } else if model.focus == Pane::Devices && !model.marked_devices.is_empty() {
        model.marked_devices.clear();
    } else if model.zoomed {
        model.zoomed = false;
    } else {
        focus(model, Pane::Tree);
    }
}

fn next_match(model: &mut Model, back: bool) {
    let pane = model.focus;
    let len = model.len(pane);
    if len == 0 || model.filters[pane.index()].text().is_empty() {
        return;
    }
    let at = model.cursor(pane).selected;
    let matches = |index: usize| pane != Pane::Tree || model.tree.rows()[index].matches;
    let turn = |by: usize| (at + if back { len - by } else { by }) % len;
    if let Some(index) = (1..=len).map(turn).find(|index| matches(*index)) {
        model.cursors[pane.index()].selected = index;
    }
}

fn enter(model: &mut Model) {
    match model.focus {
        Pane::Tree => match model
            .tree
            .item_at(model.cursor(Pane::Tree).selected)
            .map(|item| (item.id, item.kind))
        {
            Some((dir, ItemKind::Dir)) if model.tree.is_open(dir) => {
                model.tree.close(dir, &mut model.cursors[Pane::Tree.index()]);
            }
            Some((_, ItemKind::Dir)) => expand(model),
            Some((_, ItemKind::File | ItemKind::Symlink)) => {
                show_history(model, model.tree_path());
                focus(model, Pane::History);
            }
            None => (),
        },
        Pane::Conflicts => ask::resolve(model, None),
        Pane::History => ask::restore(model),
        Pane::Attention if matches!(selected_entry(model), Some(Entry::Brake(_) | Entry::Removed(_))) => {
            ask::release_brake(model);
        }
        Pane::Feed | Pane::Transfers | Pane::Attention => {
            if let Some(path) = selected_paths(model).into_iter().next() {
                reveal(model, path);
            }
        }
        Pane::Devices => (),
    }
}

/// Shows a path in the tree.
fn reveal(model: &mut Model, path: RelPath) {
    let cursor = &mut model.cursors[Pane::Tree.index()];
    model.filters[Pane::Tree.index()] = Input::default();
    model.tree.filter("", cursor);
    let missing = model.tree.reveal(path, cursor);
    model.want_listings(missing);
    focus(model, Pane::Tree);
}

fn expand(model: &mut Model) {
    let cursor = &mut model.cursors[Pane::Tree.index()];
    let Some((dir, ItemKind::Dir)) = model
        .tree
        .item_at(cursor.selected)
        .map(|item| (item.id, item.kind))
    else {
        return;
    };
    if model.tree.is_open(dir) {
        let rows = model.tree.rows();
        if rows
            .get(cursor.selected + 1)
            .is_some_and(|row| row.depth > rows[cursor.selected].depth)
        {
            cursor.selected += 1;
        }
        return;
    }
    let missing = model.tree.open(dir, cursor);
    model.want_listings(missing);
}

fn close(model: &mut Model) {
    let cursor = &mut model.cursors[Pane::Tree.index()];
    match model
        .tree
        .item_at(cursor.selected)
        .map(|item| (item.id, item.kind))
    {
        Some((dir, ItemKind::Dir)) if model.tree.is_open(dir) => model.tree.close(dir, cursor),
        _ => cursor.selected = model.tree.above(cursor.selected).unwrap_or(cursor.selected),
    }
}

fn mark(model: &mut Model) {
    match model.focus {
        Pane::Tree => {
            if let Some(id) = model
                .tree
                .item_at(model.cursor(Pane::Tree).selected)
                .map(|item| item.id)
                && !model.tree.marked.remove(&id)
            {
                model.tree.marked.insert(id);
            }
        }
        Pane::Conflicts => {
            if let Some(id) = model.conflict().map(|conflict| conflict.that.id)
                && !model.marked_conflicts.remove(&id)
            {
                model.marked_conflicts.insert(id);
            }
        }
        Pane::Devices => {
            if let Some(id) = model.device().map(|device| device.id)
                && !model.marked_devices.remove(&id)
            {
                model.marked_devices.insert(id);
            }
        }
        Pane::Feed | Pane::History | Pane::Transfers | Pane::Attention => (),
    }
    step(model, 1);
}

/// Returns the paths that an action of the focused pane is about: the marked ones, or the selected one.
fn selected_paths(model: &Model) -> Vec<RelPath> {
    let marked = model.tree.marked_paths();
    let one = match model.focus {
        Pane::Tree if !marked.is_empty() => return marked,
        Pane::Tree => model.tree_path(),
        Pane::Feed => {
            let at = model.selected(Pane::Feed);
            at.and_then(|at| model.feed.lines().get(at))
                .map(|line| line.path.clone())
        }
        Pane::Conflicts => {
            let conflict = model.conflict();
            return conflict.map_or_else(Vec::new, |conflict| {
                let that = std::iter::once(conflict.that.path.clone());
                that.chain(conflict.this.as_ref().map(|this| this.path.clone()))
                    .collect()
            });
        }
        Pane::History => model.past().map(|past| past.path.clone()),
        Pane::Transfers => {
            let at = model.selected(Pane::Transfers);
            at.and_then(|at| model.transfers.all().nth(at))
                .map(|transfer| transfer.path.clone())
        }
        Pane::Attention => match selected_entry(model) {
            Some(Entry::Blocked(path, _)) => Some(path.clone()),
            _ => None,
        },
        Pane::Devices => None,
    };
    one.into_iter().collect()
}

fn selected_entry(model: &Model) -> Option<Entry<'_>> {
    model.attention.entries().nth(model.selected(Pane::Attention)?)
}

fn copy(model: &mut Model, effects: &mut Vec<Effect>) {
    let text = match (model.focus, selected_entry(model)) {
        (Pane::Attention, Some(Entry::Standing(trouble))) => trouble.to_string(),
        (Pane::Attention, Some(Entry::Error(error))) => error.trouble.to_string(),
        (Pane::Attention, Some(Entry::Brake(brake))) => brake.reason.clone(),
        (Pane::Attention, Some(Entry::Removed(removed))) => {
            format!(
                "{} of {} removed by another device",
                removed.removals, removed.nodes
            )
        }
        (Pane::Attention, Some(Entry::Blocked(path, reason))) => format!("{path}: {reason}"),
        _ => {
            let mut paths = selected_paths(model);
            if model.focus == Pane::Conflicts {
                paths.truncate(1);
            }
            let lines: Vec<String> = paths.iter().map(ToString::to_string).collect();
            lines.join("\n")
        }
    };
    if text.is_empty() {
        model.say("nothing is selected", false);
    } else {
        effects.push(Effect::Copy(text));
        model.say("copied", true);
    }
}

/// Copies the pairing link.
pub(super) fn copy_link(model: &mut Model, effects: &mut Vec<Effect>) {
    copy_secret(model, model.account.link.clone(), "the pairing link", effects);
}

/// Copies the ID.
pub(super) fn copy_id(model: &mut Model, effects: &mut Vec<Effect>) {
    copy_secret(model, model.account.id.clone(), "the ID", effects);
}

fn copy_secret(model: &mut Model, secret: Option<String>, what: &str, effects: &mut Vec<Effect>) {
    match secret {
        Some(secret) => {
            effects.push(Effect::Copy(secret));
            model.say(
                format!("copied {what}: whoever has it can join this account"),
                true,
            );
        }
        None => model.say(format!("{what} is not known yet"), false),
    }
}

fn open(model: &mut Model, effects: &mut Vec<Effect>) {
    let paths = selected_paths(model);
    if paths.len() > OPEN_MAX {
        model.say(format!("at most {OPEN_MAX} are opened at once"), false);
        return;
    }
    for path in paths {
        match opener::os_path(&model.options.folder, &path) {
            Some(path) => effects.push(Effect::Open(path)),
            None => model.say("this computer cannot hold that name", false),
        }
    }
}

fn edit(model: &mut Model, effects: &mut Vec<Effect>) {
    let is_file = |model: &Model| {
        let item = model.tree.item_at(model.cursor(Pane::Tree).selected);
        item.is_some_and(|item| item.kind == ItemKind::File)
    };
    let path = match model.focus {
        Pane::Tree if is_file(model) => model.tree_path(),
        Pane::Conflicts => model
            .conflict()
            .and_then(|conflict| conflict.this.as_ref())
            .map(|this| this.path.clone()),
        _ => None,
    };
    match path.and_then(|path| opener::os_path(&model.options.folder, &path)) {
        Some(path) => effects.push(Effect::Edit(path)),
        None => model.say("only a file that is here can be edited", false),
    }
}

fn dismiss(model: &mut Model) {
    let dismissed = model
        .selected(Pane::Attention)
        .is_some_and(|at| model.attention.dismiss(at));
    if !dismissed {
        model.say("this stays until its cause is gone", false);
    }
}

fn order(model: &mut Model, ask: Ask, said: &str, effects: &mut Vec<Effect>) {
    let deed = Deed {
        asks: vec![ask],
        said: said.to_owned(),
        undo: model.undo.clone(),
    };
    start(model, deed, effects);
}

/// Opens a window that asks.
pub(super) fn confirm(model: &mut Model, confirm: Confirm) {
    model.popup = Some(Popup::Confirm(confirm));
}
