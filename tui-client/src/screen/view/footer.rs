//! The footer: the keys valid now, or a sentence until the next key.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

use crate::screen::layout;
use crate::screen::model::Model;
use crate::screen::text;

/// Draws it.
pub(super) fn draw(model: &Model, area: Rect, frame: &mut Frame<'_>) {
    let theme = &model.options.theme;
    if let Some(toast) = &model.toast {
        let (mark, style) = if toast.good {
            (theme.pick("✓", "="), theme.good())
        } else {
            (theme.pick("▲", "!"), theme.warn())
        };
        let shown = format!(" {mark} {}", theme.safe(&toast.text));
        let shown = text::cut(&shown, usize::from(area.width), theme.ellipsis());
        frame.render_widget(Span::styled(shown, style), area);
        return;
    }
    for hint in layout::hints(model) {
        let place = Rect::new(hint.x, area.y, hint.width, 1).intersection(area);
        let key = Span::styled(format!("{} ", hint.key), theme.accent());
        let word = Span::styled(hint.word, theme.dim());
        frame.render_widget(ratatui::text::Line::from(vec![key, word]), place);
    }
}
