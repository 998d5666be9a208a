//! The feed.

use ratatui::Frame;
use ratatui::text::{Line as TextLine, Span};

use super::list::{self, Flexible};
use crate::notice::Direction;
use crate::screen::feed::{Event, Line};
use crate::screen::model::Model;
use crate::screen::pane::Pane;
use crate::screen::text;

/// Draws the lines.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>) {
    if model.len(Pane::Feed) == 0 {
        let more = "Edits appear here as they happen, from every device.";
        list::draw_empty(model, Pane::Feed, frame, "Nothing has changed yet.", more);
        return;
    }
    list::draw(model, Pane::Feed, frame, |index, columns| {
        model
            .feed
            .lines()
            .get(index)
            .map(|entry| line(model, entry, columns))
    });
}

fn line(model: &Model, line: &Line, columns: usize) -> TextLine<'static> {
    let theme = &model.options.theme;
    let (glyph, word, style, way) = match line.event {
        Event::Change { kind, direction, .. } => {
            let (glyph, word, style) = theme.change(kind);
            let way = match direction {
                Some(Direction::Up) => (theme.pick("↑", "^"), theme.up()),
                Some(Direction::Down) => (theme.pick("↓", "v"), theme.down()),
                None => (" ", theme.dim()),
            };
            (glyph, word, style, way)
        }
        Event::Conflict { resolved: true } => {
            let (glyph, _) = theme.item_state(crate::control::ItemState::Conflict);
            (glyph, "resolved", theme.good(), (" ", theme.dim()))
        }
        Event::Conflict { resolved: false } => {
            let (glyph, style) = theme.item_state(crate::control::ItemState::Conflict);
            (glyph, "conflict", style, (" ", theme.dim()))
        }
    };
    let mut left = vec![
        Span::styled(format!("{} ", way.0), way.1),
        Span::styled(format!("{glyph} "), style),
    ];
    if columns >= 56 {
        left.push(Span::styled(format!("{word:<11}"), style));
    }
    let mut path = theme.safe(&line.path.to_string());
    if let Some(from) = &line.from {
        let arrow = theme.pick("←", "<-");
        path = format!("{path} {arrow} {}", theme.safe(&from.to_string()));
    }
    if let Some(remark) = &line.remark {
        path = format!("{path} ({})", theme.safe(remark));
    }
    let device = text::cut(&theme.safe(&line.device), 14, theme.ellipsis());
    let mut right = Vec::new();
    if columns >= 36 {
        right.push(Span::styled(format!("  {device:<10}"), theme.dim()));
    }
    right.push(Span::styled(
        text::right(&text::ago(model.now_ms, line.time_ms), 11),
        theme.dim(),
    ));
    let middle = Flexible {
        text: &path,
        style: theme.text(),
        cut_start: line.from.is_none() && line.remark.is_none(),
    };
    list::row(theme, columns, left, &middle, right)
}
