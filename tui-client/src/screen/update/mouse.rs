//! The mouse: a click focuses and selects, a second one on the same row acts, the wheel scrolls what is under it.

use super::{act, window};
use crate::screen::keys::Action;
use crate::screen::layout::{self, Hit};
use crate::screen::message::{Effect, Mouse, MouseDeed};
use crate::screen::model::Model;

/// The rows that a turn of the wheel moves.
const WHEEL_ROWS: isize = 3;

/// Takes in what the mouse did.
pub(super) fn mouse(model: &mut Model, mouse: Mouse, effects: &mut Vec<Effect>) {
    if layout::is_too_small(model) {
        return;
    }
    let hit = layout::hit(model, mouse.column, mouse.row);
    match mouse.deed {
        MouseDeed::Click => click(model, hit, effects),
        MouseDeed::WheelUp => wheel(model, hit, -WHEEL_ROWS),
        MouseDeed::WheelDown => wheel(model, hit, WHEEL_ROWS),
    }
}

fn click(model: &mut Model, hit: Hit, effects: &mut Vec<Effect>) {
    model.toast = None;
    match hit {
        Hit::Row(pane, index) => {
            let again = model.focus == pane && model.cursor(pane).selected == index;
            act::focus(model, pane);
            model.cursors[pane.index()].selected = index;
            if again {
                act::act(model, Action::Enter, effects);
            }
        }
        Hit::Pane(pane) => act::focus(model, pane),
        Hit::Action(action) => act::act(model, action, effects),
        Hit::Answer(index) => window::pick(model, index, effects),
        Hit::Popup | Hit::Nothing => (),
    }
}

fn wheel(model: &mut Model, hit: Hit, by: isize) {
    match hit {
        _ if model.popup.is_some() => window::scroll(model, by),
        Hit::Row(pane, _) | Hit::Pane(pane) => {
            let len = model.len(pane);
            model.cursors[pane.index()].step(by, len);
        }
        Hit::Action(_) | Hit::Answer(_) | Hit::Popup | Hit::Nothing => (),
    }
}
