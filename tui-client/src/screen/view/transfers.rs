//! What is on its way.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use super::list::{self, Flexible};
use crate::notice::Direction;
use crate::screen::model::Model;
use crate::screen::pane::Pane;
use crate::screen::text;
use crate::screen::theme::Theme;
use crate::screen::transfers::Transfer;

/// The columns of a bar, where there is little room and where there is much.
const BAR_COLUMNS: (usize, usize) = (8, 16);

/// Draws the transfers.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>) {
    if model.len(Pane::Transfers) == 0 {
        let more =
            "What is sent or fetched appears here with its true bytes. Small files travel with their change.";
        list::draw_empty(model, Pane::Transfers, frame, "Nothing is on its way.", more);
        return;
    }
    list::draw(model, Pane::Transfers, frame, |index, columns| {
        model
            .transfers
            .all()
            .nth(index)
            .map(|transfer| line(model, transfer, columns))
    });
}

fn line(model: &Model, transfer: &Transfer, columns: usize) -> Line<'static> {
    let theme = &model.options.theme;
    let (glyph, style) = match transfer.direction {
        Direction::Up => (theme.pick("↑", "^"), theme.up()),
        Direction::Down => (theme.pick("↓", "v"), theme.down()),
    };
    let left = vec![Span::styled(format!("{glyph} "), style)];
    let mut right = Vec::new();
    if transfer.is_done() {
        right.push(Span::raw(text::right(&text::size(transfer.total_bytes), 10)));
        right.push(Span::styled(
            format!("  {} ", theme.pick("✓", "done")),
            theme.good(),
        ));
        right.push(Span::styled(
            text::right(&text::ago(model.now_ms, transfer.moved_ms), 10),
            theme.dim(),
        ));
    } else {
        if columns >= 72 {
            let wide = if columns < 92 {
                BAR_COLUMNS.0
            } else {
                BAR_COLUMNS.1
            };
            right.push(Span::raw("  "));
            right.extend(bar(theme, transfer.thousandths(), wide, style));
        }
        right.push(Span::raw(format!(
            " {} %",
            text::right(&(transfer.thousandths() / 10).to_string(), 3)
        )));
        if columns >= 46 {
            let bytes = format!(
                "{}/{}",
                text::size(transfer.done_bytes),
                text::size(transfer.total_bytes)
            );
            right.push(Span::styled(text::right(&bytes, 17), theme.dim()));
        }
        if columns >= 58 {
            let rate = transfer.bytes_per_second(model.now_ms);
            right.push(Span::raw(text::right(&format!("{}/s", text::size(rate)), 11)));
        }
        let left = transfer
            .left_s(model.now_ms)
            .map_or_else(|| "stalled".to_owned(), text::left);
        right.push(Span::styled(text::right(&left, 11), theme.dim()));
    }
    let path = theme.safe(&transfer.path.to_string());
    let middle = Flexible {
        text: &path,
        style: if transfer.is_done() {
            theme.dim()
        } else {
            theme.text()
        },
        cut_start: true,
    };
    list::row(theme, columns, left, &middle, right)
}

/// Draws a bar in eighths of a column. It is full only when all is through.
fn bar(theme: &Theme, thousandths: u64, wide: usize, style: ratatui::style::Style) -> [Span<'static>; 2] {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let thousandths = usize::try_from(thousandths.min(1000)).unwrap_or(1000);
    if theme.ascii {
        let full = wide * thousandths / 1000;
        return [
            Span::styled("#".repeat(full), style),
            Span::styled(".".repeat(wide - full), theme.dim()),
        ];
    }
    let eighths = wide * 8 * thousandths / 1000;
    let mut full = "█".repeat(eighths / 8);
    full.push_str(EIGHTHS[eighths % 8]);
    let rest = wide - text::width(&full);
    [
        Span::styled(full, style),
        Span::styled("·".repeat(rest), theme.dim()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_always_as_wide_and_full_only_at_the_end() {
        for ascii in [true, false] {
            let theme = Theme::plain(ascii, false);
            for thousandths in 0..=1000 {
                let [full, rest] = bar(&theme, thousandths, 8, theme.text());
                assert_eq!(full.width() + rest.width(), 8);
                let whole = full.content.chars().all(|c| matches!(c, '█' | '#')) && rest.content.is_empty();
                assert_eq!(whole, thousandths == 1000, "{thousandths}");
            }
        }
    }
}
