//! The folder as a tree.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use super::list::{self, Flexible};
use crate::control::{ItemKind, ItemState, ListItem};
use crate::notice::Direction;
use crate::screen::model::Model;
use crate::screen::pane::Pane;
use crate::screen::text;

/// Draws the rows.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>) {
    if model.len(Pane::Tree) == 0 {
        if model.tree.is_known() {
            let more = "Put something into it, here or on another device.";
            list::draw_empty(model, Pane::Tree, frame, "This folder is empty.", more);
        } else {
            list::draw_empty(model, Pane::Tree, frame, "Looking at the folder …", "");
        }
        return;
    }
    list::draw(model, Pane::Tree, frame, |index, columns| {
        let row = *model.tree.rows().get(index)?;
        let item = model.tree.item(row)?;
        Some(line(model, item, row.depth, columns))
    });
}

fn line(model: &Model, item: &ListItem, depth: usize, columns: usize) -> Line<'static> {
    let theme = &model.options.theme;
    let open = model.tree.is_open(item.id);
    // The depth is shown as far as there is room for a name beside it.
    let indent = (depth * 2).min(columns / 3);
    let mark = if model.tree.marked.contains(&item.id) {
        theme.pick("◆", "#")
    } else {
        " "
    };
    let left = vec![
        Span::styled(mark, theme.accent()),
        Span::raw(" ".repeat(indent)),
        Span::styled(format!("{} ", theme.item_kind(item.kind, open)), theme.dim()),
    ];
    let (state, running) = state_now(model, item);
    let (glyph, glyph_style) = theme.item_state(state);
    let note = match (item.kind, running) {
        (_, Some(thousandths)) => format!("{} %", thousandths / 10),
        (ItemKind::Dir, None) if item.unsettled > 0 => text::number(item.unsettled),
        (ItemKind::Dir | ItemKind::Symlink, None) => String::new(),
        (ItemKind::File, None) => text::size(item.size_bytes),
    };
    let note_style = if running.is_some() || item.kind == ItemKind::Dir {
        glyph_style
    } else {
        theme.dim()
    };
    let right = vec![
        Span::styled(format!(" {} ", text::right(&note, 7)), note_style),
        Span::styled(format!("{glyph} "), glyph_style),
    ];
    let style = match (item.kind, item.state) {
        (_, ItemState::Ignored) => theme.dim(),
        (ItemKind::Dir, _) => theme.directory(),
        (ItemKind::File | ItemKind::Symlink, _) => theme.text(),
    };
    let name = theme.safe(&item.name.to_string());
    let middle = Flexible {
        text: &name,
        style,
        cut_start: false,
    };
    list::row(theme, columns, left, &middle, right)
}

/// Returns a node's state, and how far it is when it is on its way: a transfer is newer than the listing.
fn state_now(model: &Model, item: &ListItem) -> (ItemState, Option<u64>) {
    let active = model
        .transfers
        .active()
        .iter()
        .find(|transfer| transfer.id == item.id);
    match active {
        Some(transfer) => {
            let state = match transfer.direction {
                Direction::Up => ItemState::Uploading,
                Direction::Down => ItemState::Downloading,
            };
            (state, Some(transfer.thousandths()))
        }
        None => (item.state, None),
    }
}
