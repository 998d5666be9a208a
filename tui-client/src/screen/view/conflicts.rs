//! The conflicts: the list, and both sides of the selected one.

use ratatui::Frame;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::list::{self, Flexible};
use crate::control::{ConflictItem, ConflictSide};
use crate::screen::layout;
use crate::screen::model::Model;
use crate::screen::pane::Pane;
use crate::screen::text;

/// Draws the list and both sides.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>) {
    if model.len(Pane::Conflicts) == 0 {
        let more = "When two devices change the same thing without knowing of each other, both sides are kept and \
                    listed here.";
        list::draw_empty(model, Pane::Conflicts, frame, "No conflicts.", more);
        return;
    }
    list::draw(model, Pane::Conflicts, frame, |index, columns| {
        let conflict = model.conflicts.as_ref()?.get(index)?;
        Some(line(model, conflict, columns))
    });
    if let (Some(conflict), Some((_, area))) =
        (model.conflict(), layout::list_and_detail(model, Pane::Conflicts))
    {
        let lines = detail(model, conflict, usize::from(area.width));
        frame.render_widget(Paragraph::new(lines), area);
    }
}

fn line(model: &Model, conflict: &ConflictItem, columns: usize) -> Line<'static> {
    let theme = &model.options.theme;
    let mark = if model.marked_conflicts.contains(&conflict.that.id) {
        theme.pick("◆", "#")
    } else {
        " "
    };
    let (glyph, style) = theme.item_state(crate::control::ItemState::Conflict);
    let path = conflict
        .this
        .as_ref()
        .map_or(&conflict.that.path, |this| &this.path);
    let path = theme.safe(&path.to_string());
    let device = text::cut(&theme.safe(&conflict.device), 20, theme.ellipsis());
    let left = vec![
        Span::styled(mark, theme.accent()),
        Span::styled(format!("{glyph} "), style),
    ];
    let right = vec![Span::styled(format!("  with {device} "), theme.dim())];
    let middle = Flexible {
        text: &path,
        style: theme.text(),
        cut_start: true,
    };
    list::row(theme, columns, left, &middle, right)
}

fn detail(model: &Model, conflict: &ConflictItem, columns: usize) -> Vec<Line<'static>> {
    let theme = &model.options.theme;
    let rule = theme.pick("─", "-").repeat(columns);
    let mut lines = vec![Line::styled(rule, theme.dim())];
    lines.extend(side(model, "this", conflict.this.as_ref(), columns));
    lines.extend(side(model, "that", Some(&conflict.that), columns));
    let cause = text::wrap(&theme.safe(&conflict.cause), columns.saturating_sub(2));
    lines.extend(
        cause
            .into_iter()
            .take(2)
            .map(|line| Line::styled(format!(" {line}"), theme.dim())),
    );
    lines
}

fn side(model: &Model, word: &str, side: Option<&ConflictSide>, columns: usize) -> Vec<Line<'static>> {
    let theme = &model.options.theme;
    let head = Span::styled(format!(" {word}  "), theme.accent());
    let Some(side) = side else {
        return vec![
            Line::from(vec![head, Span::styled("is gone", theme.dim())]),
            Line::default(),
        ];
    };
    let path = text::cut_start(
        &theme.safe(&side.path.to_string()),
        columns.saturating_sub(8),
        theme.ellipsis(),
    );
    let modified_ms = u64::try_from(side.mtime_ns / 1_000_000).unwrap_or(0);
    let facts = format!(
        "       {}, modified {}",
        text::size(side.size_bytes),
        text::stamp(modified_ms, &theme.zone)
    );
    vec![
        Line::from(vec![head, Span::raw(path)]),
        Line::styled(text::cut(&facts, columns, theme.ellipsis()), theme.dim()),
    ]
}
