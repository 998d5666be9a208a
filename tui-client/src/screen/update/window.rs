//! Keys in a window above the panes.

use super::{act, start};
use crate::control::Ask;
use crate::screen::confirm::{Deed, Undo};
use crate::screen::keys::Action;
use crate::screen::layout;
use crate::screen::message::Effect;
use crate::screen::model::{Model, Popup};

/// Does what a key asks for in the open window.
pub(super) fn act_in_window(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    let page =
        layout::popup_inner(model).map_or(1, |inner| isize::try_from(inner.height.max(1)).unwrap_or(1));
    match action {
        Action::Back => {
            model.popup = None;
        }
        Action::Down => scroll(model, 1),
        Action::Up => scroll(model, -1),
        Action::PageDown => scroll(model, page),
        Action::PageUp => scroll(model, -page),
        Action::Top => scroll(model, isize::MIN / 2),
        Action::Bottom => scroll(model, isize::MAX / 2),
        Action::NextPane => turn(model, false),
        Action::PreviousPane => turn(model, true),
        Action::Enter => enter(model, effects),
        Action::Mask => model.masked = !model.masked,
        Action::Copy => copy(model, effects),
        Action::CopyId => act::copy_id(model, effects),
        _ => (),
    }
}

/// Moves what is shown, or the selection of a window that has one.
pub(super) fn scroll(model: &mut Model, by: isize) {
    match &mut model.popup {
        Some(Popup::Help(cursor) | Popup::Account(cursor) | Popup::Report { cursor, .. }) => {
            cursor.selected = cursor.selected.saturating_add_signed(by);
        }
        Some(Popup::Palette(palette)) => {
            let len = palette.found().len();
            palette.cursor.step(by, len);
        }
        Some(Popup::Confirm(confirm)) => confirm.turn(by < 0),
        Some(Popup::Rename { .. }) | None => (),
    }
}

fn turn(model: &mut Model, back: bool) {
    if let Some(Popup::Confirm(confirm)) = &mut model.popup {
        confirm.turn(back);
    }
}

/// Takes the answer or entry that was clicked.
pub(super) fn pick(model: &mut Model, index: usize, effects: &mut Vec<Effect>) {
    match &mut model.popup {
        Some(Popup::Confirm(confirm)) => confirm.selected = index,
        Some(Popup::Palette(palette)) => palette.cursor.selected = index,
        _ => return,
    }
    enter(model, effects);
}

fn enter(model: &mut Model, effects: &mut Vec<Effect>) {
    match model.popup.take() {
        Some(Popup::Confirm(mut confirm)) => {
            if confirm.selected < confirm.answers.len()
                && let Some(deed) = confirm.answers.swap_remove(confirm.selected).deed
            {
                start(model, deed, effects);
            }
        }
        Some(Popup::Rename { device, was, input }) => {
            let name = input.text().trim().to_owned();
            if name.is_empty() || name == was {
                return;
            }
            if name.len() > common::limits::DEVICE_NAME_LEN_MAX {
                model.popup = Some(Popup::Rename { device, was, input });
                model.say("that name is too long", false);
                return;
            }
            let undo = Undo {
                says: format!("Gives '{name}' its old name '{was}' again."),
                asks: vec![Ask::RenameDevice { device, name: was }],
            };
            let deed = Deed {
                said: format!("renamed to {name}"),
                asks: vec![Ask::RenameDevice { device, name }],
                undo: Some(undo),
            };
            start(model, deed, effects);
        }
        Some(Popup::Palette(palette)) => {
            if let Some(action) = palette.chosen() {
                act::act(model, action, effects);
            }
        }
        Some(Popup::Help(_) | Popup::Account(_) | Popup::Report { .. }) | None => (),
    }
}

fn copy(model: &mut Model, effects: &mut Vec<Effect>) {
    match &model.popup {
        Some(Popup::Account(_)) => act::copy_link(model, effects),
        Some(Popup::Report { lines, .. }) => {
            effects.push(Effect::Copy(lines.join("\n")));
            model.say("copied", true);
        }
        _ => (),
    }
}
