//! What needs a person: the list, and all that is known of the selected entry.

use ratatui::Frame;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::list::{self, Flexible};
use crate::notice::Trouble;
use crate::screen::attention::Entry;
use crate::screen::layout;
use crate::screen::model::Model;
use crate::screen::pane::Pane;
use crate::screen::text;

/// Draws the list and what is known of the selected entry.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>) {
    if model.len(Pane::Attention) == 0 {
        let more =
            "Errors, blocked files and stopped plans appear here, with what was done and what you can do.";
        list::draw_empty(model, Pane::Attention, frame, "Nothing needs you.", more);
        return;
    }
    let entries: Vec<Entry<'_>> = model.attention.entries().collect();
    list::draw(model, Pane::Attention, frame, |index, columns| {
        entries.get(index).map(|entry| line(model, *entry, columns))
    });
    let selected = model.selected(Pane::Attention).and_then(|at| entries.get(at));
    if let (Some(entry), Some((_, area))) = (selected, layout::list_and_detail(model, Pane::Attention)) {
        let lines = detail(model, *entry, usize::from(area.width));
        frame.render_widget(Paragraph::new(lines), area);
    }
}

fn line(model: &Model, entry: Entry<'_>, columns: usize) -> Line<'static> {
    let theme = &model.options.theme;
    let (glyph, style, what, note) = match entry {
        Entry::Brake(brake) => {
            let what = format!(
                "{} would be removed or overwritten",
                text::count(brake.removals, "node")
            );
            (theme.pick("■", "#"), theme.bad(), what, "brake".to_owned())
        }
        Entry::Removed(removed) => {
            let what = format!(
                "{} removed by another device",
                text::count(removed.removals, "node")
            );
            (theme.pick("▲", "!"), theme.warn(), what, "removed".to_owned())
        }
        Entry::Standing(trouble) => (
            theme.pick("✗", "x"),
            theme.bad(),
            trouble.what.clone(),
            "stopped".to_owned(),
        ),
        Entry::Error(error) => {
            let times = if error.times > 1 {
                format!("{} times, ", error.times)
            } else {
                String::new()
            };
            let note = format!("{times}{}", text::ago(model.now_ms, error.time_ms));
            (
                theme.pick("▲", "!"),
                theme.warn(),
                error.trouble.what.clone(),
                note,
            )
        }
        Entry::Blocked(path, reason) => {
            let what = format!("{path}: {reason}");
            (theme.pick("✗", "x"), theme.warn(), what, "blocked".to_owned())
        }
    };
    let what = theme.safe(&what);
    let middle = Flexible {
        text: &what,
        style: theme.text(),
        cut_start: false,
    };
    let left = vec![Span::styled(format!("{glyph} "), style)];
    let right = vec![Span::styled(format!("  {note} "), theme.dim())];
    list::row(theme, columns, left, &middle, right)
}

fn detail(model: &Model, entry: Entry<'_>, columns: usize) -> Vec<Line<'static>> {
    let parts = match entry {
        Entry::Brake(brake) => [
            format!(
                "A plan would remove or overwrite {} of {}. {}",
                text::count(brake.removals, "node"),
                text::number(brake.nodes),
                brake.reason
            ),
            "Nothing was removed; the plan waits.".to_owned(),
            "Look whether that is meant. If it is, press c. If not, put the files back.".to_owned(),
        ],
        Entry::Removed(removed) => [
            format!(
                "Another device removed {} of {}.",
                text::count(removed.removals, "node"),
                text::number(removed.nodes),
            ),
            "They were removed here too, and are kept for 30 days or until room is short.".to_owned(),
            "Look whether that was meant. Press c to bring them back, or to let it stand.".to_owned(),
        ],
        Entry::Standing(trouble) => three(trouble),
        Entry::Error(error) => three(&error.trouble),
        Entry::Blocked(path, reason) => [
            format!("{path}: {reason}"),
            "Nothing of it was deleted, here or elsewhere; all else goes on.".to_owned(),
            "Mend the cause; it is tried again by itself. Enter shows it in the folder.".to_owned(),
        ],
    };
    let theme = &model.options.theme;
    let mut lines = vec![Line::styled(theme.pick("─", "-").repeat(columns), theme.dim())];
    for (word, part) in ["what", "done", "to do"].into_iter().zip(parts) {
        for (i, line) in text::wrap(&theme.safe(&part), columns.saturating_sub(9))
            .into_iter()
            .take(3)
            .enumerate()
        {
            let head = if i == 0 { word } else { "" };
            let style = if word == "to do" {
                theme.text()
            } else {
                theme.dim()
            };
            lines.push(Line::from(vec![
                Span::styled(format!(" {head:<6} "), theme.accent()),
                Span::styled(line, style),
            ]));
        }
    }
    lines
}

fn three(trouble: &Trouble) -> [String; 3] {
    [trouble.what.clone(), trouble.done.clone(), trouble.todo.clone()]
}
