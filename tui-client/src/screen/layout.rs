//! Where everything is. A pure function of the model, used by drawing, by scrolling and by the mouse alike, so that a
//! click lands on what is seen.

use ratatui::layout::{Constraint, Layout, Margin, Position, Rect};

use super::keys::{Action, Binding};
use super::model::{Model, Popup};
use super::pane::Pane;
use super::{text, view};

/// The fewest columns and rows in which the screen makes sense.
pub(crate) const SIZE_MIN: (u16, u16) = (40, 10);
/// Below this many columns the panes are stacked.
const WIDE_MIN: u16 = 80;

/// The areas of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Areas {
    /// The account, the server and the state.
    pub header: Rect,
    /// A sentence about what stops the client; empty when nothing does.
    pub banner: Rect,
    /// The tree, unless another pane is zoomed.
    pub tree: Option<Rect>,
    /// The tab, unless the tree is zoomed.
    pub tab: Option<Rect>,
    /// The hints.
    pub footer: Rect,
}

/// What is under the mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hit {
    /// A row of a pane's list.
    Row(Pane, usize),
    /// A pane, beside its rows, or its tab.
    Pane(Pane),
    /// A hint in the footer.
    Action(Action),
    /// An answer or an entry of the window.
    Answer(usize),
    /// The window, beside its answers.
    Popup,
    /// Nothing.
    Nothing,
}

/// Tells whether the terminal is too small.
pub(crate) fn is_too_small(model: &Model) -> bool {
    model.size.0 < SIZE_MIN.0 || model.size.1 < SIZE_MIN.1
}

/// Returns the whole terminal.
pub(crate) fn whole(model: &Model) -> Rect {
    Rect::new(0, 0, model.size.0, model.size.1)
}

/// Returns the areas.
pub(crate) fn layout(model: &Model) -> Areas {
    let banner = u16::from(view::banner(model).is_some());
    let [header, banner, body, footer] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(banner),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(whole(model));
    let (tree, tab) = if model.zoomed {
        match model.focus {
            Pane::Tree => (Some(body), None),
            _ => (None, Some(body)),
        }
    } else if model.size.0 < WIDE_MIN {
        let [tree, tab] = Layout::vertical([Constraint::Percentage(45), Constraint::Fill(1)]).areas(body);
        (Some(tree), Some(tab))
    } else {
        let [tree, tab] = Layout::horizontal([Constraint::Percentage(36), Constraint::Fill(1)]).areas(body);
        (Some(tree), Some(tab))
    };
    Areas {
        header,
        banner,
        tree,
        tab,
        footer,
    }
}

/// Returns the area of a pane with its border, when it is shown.
pub(crate) fn pane(model: &Model, pane: Pane) -> Option<Rect> {
    let areas = layout(model);
    match pane {
        Pane::Tree => areas.tree,
        tab if tab == model.tab => areas.tab,
        _ => None,
    }
}

/// Returns the rows of a pane's list, and the lines below that tell more about the selected one.
pub(crate) fn list_and_detail(model: &Model, which: Pane) -> Option<(Rect, Rect)> {
    let inner = pane(model, which)?.inner(Margin::new(1, 1));
    let wanted = match which {
        Pane::Conflicts => 7,
        Pane::Attention => 8,
        Pane::Tree | Pane::Feed | Pane::History | Pane::Devices | Pane::Transfers => 0,
    };
    let detail = if inner.height >= 6 && model.len(which) > 0 {
        wanted.min(inner.height - 3)
    } else {
        0
    };
    let [list, detail] = Layout::vertical([Constraint::Fill(1), Constraint::Length(detail)]).areas(inner);
    Some((list, detail))
}

/// Returns how many rows of a pane's list are shown.
pub(crate) fn list_height(model: &Model, pane: Pane) -> usize {
    list_and_detail(model, pane).map_or(1, |(list, _)| usize::from(list.height))
}

/// Returns the tabs' titles with their columns, counted from the left end of the tab's area.
pub(crate) fn tabs(model: &Model, width: u16) -> Vec<(Pane, u16, String)> {
    let room = usize::from(width.saturating_sub(4));
    let last = |pane: Pane| if pane == Pane::Attention { " " } else { "" };
    let long = |pane: Pane| format!(" {} {}{}", pane.index() + 1, tab_title(model, pane), last(pane));
    let short = |pane: Pane| match view::tab_count(model, pane) {
        0 => format!(" {}{}", pane.index() + 1, last(pane)),
        n => format!(" {}:{n}{}", pane.index() + 1, last(pane)),
    };
    let all: usize = Pane::TABS.iter().map(|pane| text::width(&long(*pane))).sum();
    let mut x = 1_u16;
    let mut tabs = Vec::new();
    for pane in Pane::TABS {
        let title = if all <= room || pane == model.tab {
            long(pane)
        } else {
            short(pane)
        };
        let wide = u16::try_from(text::width(&title)).unwrap_or(u16::MAX);
        tabs.push((pane, x, title));
        x = x.saturating_add(wide);
    }
    tabs
}

fn tab_title(model: &Model, pane: Pane) -> String {
    match view::tab_count(model, pane) {
        0 => pane.title().to_owned(),
        n => format!("{} {n}", pane.title()),
    }
}

/// A hint in the footer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hint {
    /// Its first column.
    pub x: u16,
    /// Its columns.
    pub width: u16,
    /// The key.
    pub key: String,
    /// The word.
    pub word: &'static str,
    /// What it does.
    pub action: Action,
}

/// Returns the hints that fit into the footer.
pub(crate) fn hints(model: &Model) -> Vec<Hint> {
    let mut x = 1_u16;
    let mut hints = Vec::new();
    let contexts = model.contexts();
    let bindings: Vec<&Binding> = contexts
        .iter()
        .flat_map(|context| model.options.keys.of(*context))
        .filter(|binding| !binding.hint.is_empty())
        .collect();
    // The last ones, help and quit, are shown whatever else has to go.
    let keep = bindings.len().saturating_sub(2);
    let wide = |binding: &Binding| {
        let key = binding.keys.first().map(ToString::to_string).unwrap_or_default();
        (text::width(&key) + 1 + text::width(binding.hint) + 2, key)
    };
    let kept: usize = bindings[keep..].iter().map(|binding| wide(binding).0).sum();
    for (index, binding) in bindings.iter().enumerate() {
        let (width, key) = wide(binding);
        let reserved = if index < keep { kept } else { 0 };
        if usize::from(x) + width + reserved > usize::from(model.size.0) + 2 {
            continue;
        }
        let columns = u16::try_from(width - 2).unwrap_or(u16::MAX);
        hints.push(Hint {
            x,
            width: columns,
            key,
            word: binding.hint,
            action: binding.action,
        });
        x = x.saturating_add(columns + 2);
    }
    hints
}

/// Returns the area of the window, with its border.
pub(crate) fn popup(model: &Model) -> Option<Rect> {
    let popup = model.popup.as_ref()?;
    let (columns, lines) = view::popup_size(model, popup);
    let whole = whole(model);
    let width = columns.saturating_add(4).min(whole.width);
    let height = lines.saturating_add(2).min(whole.height);
    Some(whole.centered(Constraint::Length(width), Constraint::Length(height)))
}

/// Returns the area inside the window.
pub(crate) fn popup_inner(model: &Model) -> Option<Rect> {
    Some(popup(model)?.inner(Margin::new(2, 1)))
}

/// Returns what is under the mouse.
pub(crate) fn hit(model: &Model, column: u16, row: u16) -> Hit {
    let at = Position::new(column, row);
    if let Some(area) = popup(model) {
        return if area.contains(at) {
            popup_hit(model, at)
        } else {
            Hit::Nothing
        };
    }
    let areas = layout(model);
    if areas.footer.contains(at) && model.toast.is_none() {
        let hints = hints(model);
        let hint = hints
            .iter()
            .find(|hint| (hint.x..hint.x + hint.width).contains(&column));
        return hint.map_or(Hit::Nothing, |hint| Hit::Action(hint.action));
    }
    if let Some(area) = areas.tab.filter(|area| area.contains(at) && row == area.y) {
        let tabs = tabs(model, area.width);
        let tab = tabs.iter().rev().find(|(_, x, _)| area.x + x <= column);
        return tab.map_or(Hit::Pane(model.tab), |(pane, _, _)| Hit::Pane(*pane));
    }
    for which in [Pane::Tree, model.tab] {
        if pane(model, which).is_none_or(|area| !area.contains(at)) {
            continue;
        }
        if let Some((list, _)) = list_and_detail(model, which)
            && list.contains(at)
        {
            let index = model.cursor(which).top + usize::from(row - list.y);
            if index < model.len(which) {
                return Hit::Row(which, index);
            }
        }
        return Hit::Pane(which);
    }
    Hit::Nothing
}

fn popup_hit(model: &Model, at: Position) -> Hit {
    let Some(inner) = popup_inner(model).filter(|inner| inner.contains(at)) else {
        return Hit::Popup;
    };
    let line = usize::from(at.y - inner.y);
    let hit = match &model.popup {
        Some(Popup::Confirm(confirm)) => {
            let first = usize::from(inner.height).saturating_sub(confirm.answers.len());
            line.checked_sub(first)
                .filter(|index| *index < confirm.answers.len())
        }
        Some(Popup::Palette(palette)) => line
            .checked_sub(2)
            .map(|index| index + palette.cursor.top)
            .filter(|index| *index < palette.found().len()),
        _ => None,
    };
    hit.map_or(Hit::Popup, Hit::Answer)
}

/// Brings all places in line with their lists and areas. The last step of each update.
pub(crate) fn settle(model: &mut Model) {
    // The others are settled when they are shown.
    for pane in [Pane::Tree, model.tab] {
        let (len, height) = (model.len(pane), list_height(model, pane));
        model.cursors[pane.index()].settle(len, height);
    }
    let Some(inner) = popup_inner(model) else {
        return;
    };
    let lines = model
        .popup
        .as_ref()
        .map_or(0, |popup| usize::from(view::popup_size(model, popup).1));
    let height = usize::from(inner.height);
    match &mut model.popup {
        Some(Popup::Help(cursor) | Popup::Account(cursor) | Popup::Report { cursor, .. }) => {
            // Here the selection is the first line shown.
            cursor.selected = cursor.selected.min(lines.saturating_sub(height));
            cursor.top = cursor.selected;
        }
        Some(Popup::Palette(palette)) => {
            let len = palette.found().len();
            palette.cursor.settle(len, height.saturating_sub(2));
        }
        Some(Popup::Confirm(_) | Popup::Rename { .. }) | None => (),
    }
}
