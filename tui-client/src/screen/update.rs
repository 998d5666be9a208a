//! What each message does to the model. Nothing else changes it, and nothing here reads a clock, a file or the
//! terminal: what has to be done outside is returned.

use super::confirm::{Deed, Pending};
use super::input::{Input, Stroke};
use super::keys::{Action, Key};
use super::layout;
use super::message::{Effect, Message};
use super::model::{Model, Popup};
use super::pane::Pane;
use crate::control::Ask;

mod act;
mod answer;
mod ask;
mod hear;
mod mouse;
mod window;

/// Takes a message in. Answers what is to be done.
pub(crate) fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    let mut effects = Vec::new();
    match message {
        Message::Clock(now_ms) => model.now_ms = now_ms,
        Message::Key(key) => pressed(model, key, &mut effects),
        Message::Paste(text) => {
            if let Some(input) = typed_into(model) {
                input.paste(&text);
                typed(model);
            }
        }
        Message::Mouse(mouse) => mouse::mouse(model, mouse, &mut effects),
        Message::Resize { columns, rows } => model.size = (columns, rows),
        Message::Notice(notice) => hear::notice(model, *notice),
        Message::Lagged => model.want_all(),
        Message::Answer { ask, answer } => answer::answer(model, &ask, *answer),
        Message::OpenFailed(reason) => model.say(format!("could not open it: {reason}"), false),
    }
    follow_selection(model);
    layout::settle(model);
    let due = model.questions.take(model.now_ms);
    effects.extend(due.into_iter().map(Effect::Ask));
    effects
}

fn pressed(model: &mut Model, key: Key, effects: &mut Vec<Effect>) {
    model.toast = None;
    let action = model.options.keys.action(&model.contexts(), key);
    if layout::is_too_small(model) {
        // Nothing is seen, so nothing but leaving is done.
        if action == Some(Action::Quit) {
            act::act(model, Action::Quit, effects);
        }
        return;
    }
    match action {
        Some(action) => act::act(model, action, effects),
        None => {
            if let (Some(stroke), Some(input)) = (stroke(key), typed_into(model)) {
                input.stroke(stroke);
                typed(model);
            }
        }
    }
}

/// Says what a key does to a line of text.
pub(crate) fn stroke(key: Key) -> Option<Stroke> {
    const STROKES: [(&str, Stroke); 12] = [
        ("backspace", Stroke::Backspace),
        ("ctrl-h", Stroke::Backspace),
        ("delete", Stroke::Delete),
        ("ctrl-w", Stroke::DeleteWord),
        ("ctrl-u", Stroke::Clear),
        ("left", Stroke::Left),
        ("ctrl-b", Stroke::Left),
        ("right", Stroke::Right),
        ("home", Stroke::Home),
        ("ctrl-a", Stroke::Home),
        ("end", Stroke::End),
        ("ctrl-e", Stroke::End),
    ];
    if let Some(c) = key.typed() {
        return Some(Stroke::Insert(c));
    }
    let known = STROKES.iter().find(|(name, _)| Key::parse(name) == Ok(key));
    known.map(|(_, stroke)| *stroke)
}

/// Returns the line that is being typed.
fn typed_into(model: &mut Model) -> Option<&mut Input> {
    match &mut model.popup {
        Some(Popup::Rename { input, .. }) => Some(input),
        Some(Popup::Palette(palette)) => Some(&mut palette.input),
        Some(Popup::Help(_) | Popup::Account(_) | Popup::Report { .. } | Popup::Confirm(_)) => None,
        None if model.filtering => Some(&mut model.filters[model.focus.index()]),
        None => None,
    }
}

/// Lets what is typed have its effect at once.
fn typed(model: &mut Model) {
    match &mut model.popup {
        Some(Popup::Palette(palette)) => palette.search(),
        Some(_) => (),
        None => refilter(model),
    }
}

/// Applies the filter of the focused pane.
fn refilter(model: &mut Model) {
    let filter = model.filter(model.focus);
    let cursor = &mut model.cursors[model.focus.index()];
    match model.focus {
        Pane::Tree => model.tree.filter(&filter, cursor),
        _ => cursor.selected = 0,
    }
}

/// Keeps the history about what is selected in the tree, while it is shown.
fn follow_selection(model: &mut Model) {
    if model.tab != Pane::History || model.history.held || model.focus == Pane::History {
        return;
    }
    let path = model.tree_path();
    if model.history.path != path {
        show_history(model, path);
    }
}

/// Asks for the versions of the node at a path.
fn show_history(model: &mut Model, path: Option<sync_engine::RelPath>) {
    model.history.items = None;
    model.cursors[Pane::History.index()] = super::cursor::Cursor::default();
    model.history.path.clone_from(&path);
    if let Some(path) = path {
        model.questions.want(Ask::History { path });
    }
}

/// Starts a deed: its orders are sent, and what comes of them is awaited.
fn start(model: &mut Model, deed: Deed, effects: &mut Vec<Effect>) {
    // What came before is not the last thing any more.
    model.undo = None;
    effects.extend(deed.asks.iter().cloned().map(Effect::Ask));
    model.deeds.push(Pending {
        open: deed.asks.clone(),
        failed: false,
        deed,
    });
}
