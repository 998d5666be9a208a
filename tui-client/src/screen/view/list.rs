//! A list in a pane: only the rows that are seen are made.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::screen::layout;
use crate::screen::model::Model;
use crate::screen::pane::Pane;
use crate::screen::text;
use crate::screen::theme::Theme;

/// Draws the rows of a pane that are seen. `row` gets the entry's place in the whole list and the columns there are.
pub(super) fn draw(
    model: &Model,
    pane: Pane,
    frame: &mut Frame<'_>,
    row: impl Fn(usize, usize) -> Option<Line<'static>>,
) {
    let Some((area, _)) = layout::list_and_detail(model, pane) else {
        return;
    };
    let theme = &model.options.theme;
    let cursor = model.cursor(pane);
    let len = model.len(pane);
    let filtered = pane != Pane::Tree && !model.filter(pane).is_empty();
    let shown = if filtered { model.shown(pane) } else { Vec::new() };
    let columns = usize::from(area.width.saturating_sub(2));
    for (y, at) in (cursor.top..len).take(usize::from(area.height)).enumerate() {
        let whole = if filtered {
            shown.get(at).copied()
        } else {
            Some(at)
        };
        let Some(line) = whole.and_then(|whole| row(whole, columns)) else {
            continue;
        };
        let selected = at == cursor.selected;
        let focused = model.focus == pane && model.popup.is_none();
        let gutter = match (selected, focused) {
            (true, true) => theme.pick("▌", ">"),
            (true, false) => theme.pick("▏", ":"),
            (false, _) => " ",
        };
        let place = Rect::new(area.x, area.y + u16::try_from(y).unwrap_or(0), area.width, 1);
        let mut spans = vec![Span::styled(gutter, theme.accent())];
        spans.extend(line.spans);
        if selected {
            let over = if focused {
                theme.selected()
            } else {
                theme.resting()
            };
            for span in &mut spans {
                span.style = span.style.patch(over);
            }
            frame.buffer_mut().set_style(place, over);
        }
        frame.render_widget(Line::from(spans), place);
    }
}

/// Says why a list is empty, in its middle.
pub(super) fn draw_empty(model: &Model, pane: Pane, frame: &mut Frame<'_>, title: &str, more: &str) {
    let Some((area, _)) = layout::list_and_detail(model, pane) else {
        return;
    };
    let theme = &model.options.theme;
    let filtered = !model.filter(pane).is_empty();
    let (title, more) = if filtered {
        ("Nothing matches.", "Esc shows all again.")
    } else {
        (title, more)
    };
    let room = usize::from(area.width.saturating_sub(4)).min(60);
    let mut lines = vec![Line::from(theme.safe(title)).centered()];
    let more = text::wrap(&theme.safe(more), room);
    lines.extend(
        more.into_iter()
            .map(|line| Line::styled(line, theme.dim()).centered()),
    );
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(area.height);
    let y = area.y + (area.height - height) / 3;
    frame.render_widget(Paragraph::new(lines), Rect::new(area.x, y, area.width, height));
}

/// The text of a row that gives way when there is little room.
pub(super) struct Flexible<'a> {
    /// The text, safe to show.
    pub text: &'a str,
    /// Its style.
    pub style: ratatui::style::Style,
    /// Whether its start is cut, not its end.
    pub cut_start: bool,
}

/// Puts a row together: what stands at the left, the text that gives way, and what stands at the right end.
pub(super) fn row(
    theme: &Theme,
    columns: usize,
    left: Vec<Span<'static>>,
    middle: &Flexible<'_>,
    right: Vec<Span<'static>>,
) -> Line<'static> {
    let taken: usize = left.iter().chain(&right).map(Span::width).sum();
    let room = columns.saturating_sub(taken);
    let cut = if middle.cut_start {
        text::cut_start
    } else {
        text::cut
    };
    let shown = cut(middle.text, room, theme.ellipsis());
    let gap = room.saturating_sub(text::width(&shown));
    let mut spans = left;
    spans.push(Span::styled(shown, middle.style));
    spans.push(Span::raw(" ".repeat(gap)));
    spans.extend(right);
    Line::from(spans)
}
