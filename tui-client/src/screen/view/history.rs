//! The versions of a node.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use super::list::{self, Flexible};
use crate::control::LogItem;
use crate::screen::model::Model;
use crate::screen::pane::Pane;
use crate::screen::text;

/// Draws the versions.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>) {
    if model.len(Pane::History) == 0 {
        let (title, more) = match (&model.history.path, &model.history.items) {
            (None, _) => (
                "Nothing is selected.",
                "Select a file in the folder to see its versions.",
            ),
            (Some(_), None) => ("Asking the server …", ""),
            (Some(_), Some(_)) => (
                "No versions yet.",
                "The first one appears when the server has it.",
            ),
        };
        list::draw_empty(model, Pane::History, frame, title, more);
        return;
    }
    list::draw(model, Pane::History, frame, |index, columns| {
        let item = model.history.items.as_ref()?.get(index)?;
        Some(line(model, item, columns))
    });
}

fn line(model: &Model, item: &LogItem, columns: usize) -> Line<'static> {
    let theme = &model.options.theme;
    let (glyph, word, style) = theme.change(item.kind);
    let mut left = vec![
        Span::styled(
            format!("{} ", text::right(&item.version.to_string(), 7)),
            theme.dim(),
        ),
        Span::styled(format!("{glyph} {word:<11}"), style),
    ];
    if columns >= 74 {
        left.push(Span::raw(format!("{}  ", text::stamp(item.time_ms, &theme.zone))));
    }
    let device = theme.safe(&item.device);
    let size = item.size_bytes.map_or_else(String::new, text::size);
    let right = vec![
        Span::raw(text::right(&size, 9)),
        Span::styled(
            text::right(&text::ago(model.now_ms, item.time_ms), 11),
            theme.dim(),
        ),
    ];
    let middle = Flexible {
        text: &device,
        style: theme.dim(),
        cut_start: false,
    };
    list::row(theme, columns, left, &middle, right)
}
