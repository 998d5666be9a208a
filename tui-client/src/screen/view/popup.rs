//! The windows above the panes.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::{answer_line, frame_block};
use crate::screen::account;
use crate::screen::confirm::Confirm;
use crate::screen::input::Input;
use crate::screen::keys::{Binding, Context};
use crate::screen::layout;
use crate::screen::model::{Model, Popup};
use crate::screen::palette::Palette;
use crate::screen::text;

/// The columns of a window of text.
const COLUMNS: usize = 68;
/// The most entries of the palette that are shown at once.
const PALETTE_ROWS: usize = 12;

/// Returns the columns and lines that a window wants, without its border.
pub(crate) fn popup_size(model: &Model, popup: &Popup) -> (u16, u16) {
    let room = room(model);
    let (columns, lines) = match popup {
        Popup::Palette(palette) => (
            room.min(COLUMNS),
            palette.found().len().clamp(1, PALETTE_ROWS) + 2,
        ),
        Popup::Rename { .. } => (room.min(48), 3),
        Popup::Help(_) | Popup::Account(_) | Popup::Report { .. } | Popup::Confirm(_) => {
            let lines = lines(model, popup);
            let widest = lines.iter().map(Line::width).max().unwrap_or(0);
            (widest.max(28).min(room), lines.len())
        }
    };
    (
        u16::try_from(columns).unwrap_or(u16::MAX),
        u16::try_from(lines).unwrap_or(u16::MAX),
    )
}

/// Returns the columns that a window can have inside.
fn room(model: &Model) -> usize {
    usize::from(model.size.0.saturating_sub(6)).max(1)
}

/// Draws the open window.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>) {
    let (Some(popup), Some(area), Some(inner)) =
        (&model.popup, layout::popup(model), layout::popup_inner(model))
    else {
        return;
    };
    let theme = &model.options.theme;
    let title = match popup {
        Popup::Help(_) => "Keys".to_owned(),
        Popup::Account(_) => "Account".to_owned(),
        Popup::Report { title, .. } => theme.safe(title),
        Popup::Confirm(confirm) => theme.safe(&confirm.title),
        Popup::Rename { was, .. } => format!("Rename {}", theme.safe(was)),
        Popup::Palette(_) => "What to do?".to_owned(),
    };
    let title = text::cut(
        &title,
        usize::from(area.width.saturating_sub(4)),
        theme.ellipsis(),
    );
    frame.render_widget(Clear, area);
    let mut block = frame_block(theme, true).title_top(Line::styled(format!(" {title} "), theme.accent()));
    if let Popup::Help(cursor) | Popup::Account(cursor) | Popup::Report { cursor, .. } = popup {
        let lines = usize::from(popup_size(model, popup).1);
        let seen = usize::from(inner.height);
        if lines > seen {
            let last = (cursor.top + seen).min(lines);
            block =
                block.title_bottom(Line::styled(format!(" {last} of {lines} "), theme.dim()).right_aligned());
        }
    }
    frame.render_widget(block, area);
    match popup {
        Popup::Help(cursor) | Popup::Account(cursor) | Popup::Report { cursor, .. } => {
            let lines: Vec<Line<'_>> = lines(model, popup).into_iter().skip(cursor.top).collect();
            frame.render_widget(Paragraph::new(lines), inner);
        }
        Popup::Confirm(_) => {
            // The answers are what matters when there is little room.
            let mut lines = lines(model, popup);
            let over = lines.len().saturating_sub(usize::from(inner.height));
            frame.render_widget(Paragraph::new(lines.split_off(over)), inner);
        }
        Popup::Rename { input, .. } => {
            let place = Rect::new(inner.x, inner.y + 1, inner.width, 1).intersection(inner);
            draw_input(model, input, place, frame);
        }
        Popup::Palette(palette) => draw_palette(model, palette, inner, frame),
    }
}

/// Returns the lines of a window of text.
fn lines(model: &Model, popup: &Popup) -> Vec<Line<'static>> {
    match popup {
        Popup::Help(_) => help_lines(model),
        Popup::Account(_) => account_lines(model),
        Popup::Report { lines, .. } => {
            let theme = &model.options.theme;
            let width = room(model).min(COLUMNS);
            lines
                .iter()
                .flat_map(|line| text::wrap(&theme.safe(line), width))
                .map(Line::from)
                .collect()
        }
        Popup::Confirm(confirm) => confirm_lines(model, confirm),
        Popup::Rename { .. } | Popup::Palette(_) => Vec::new(),
    }
}

fn keys_of(binding: &Binding) -> String {
    let keys: Vec<String> = binding.keys.iter().map(ToString::to_string).collect();
    keys.join(" ")
}

fn help_lines(model: &Model) -> Vec<Line<'static>> {
    let theme = &model.options.theme;
    let width = room(model).min(COLUMNS + 8).saturating_sub(20);
    let mut lines = Vec::new();
    let sections = [
        (model.focus.title().to_owned(), Context::Pane(model.focus)),
        ("Everywhere".to_owned(), Context::Global),
    ];
    let others = crate::screen::pane::Pane::ALL
        .into_iter()
        .filter(|pane| *pane != model.focus);
    let others = others.map(|pane| (pane.title().to_owned(), Context::Pane(pane)));
    for (title, context) in sections.into_iter().chain(others) {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::styled(title, theme.accent()));
        for binding in model.options.keys.of(context) {
            for (i, part) in text::wrap(binding.help, width).into_iter().enumerate() {
                let keys = if i == 0 { keys_of(binding) } else { String::new() };
                lines.push(Line::from(vec![
                    Span::styled(
                        format!("  {} ", text::fit(&keys, 16, theme.ellipsis())),
                        theme.bold(),
                    ),
                    Span::raw(part),
                ]));
            }
        }
    }
    lines
}

fn account_lines(model: &Model) -> Vec<Line<'static>> {
    let theme = &model.options.theme;
    let account = &model.account;
    let width = room(model).min(COLUMNS + 10).saturating_sub(13);
    let mut lines = Vec::new();
    let mut fact = |word: &str, value: String| {
        for (i, part) in text::wrap(&value, width).into_iter().enumerate() {
            let head = if i == 0 { word } else { "" };
            lines.push(Line::from(vec![
                Span::styled(format!("{head:<13}"), theme.dim()),
                Span::raw(part),
            ]));
        }
    };
    let unknown = || "not known yet".to_owned();
    fact(
        "ID",
        account.id.as_ref().map_or_else(unknown, |id| model.secret(id)),
    );
    fact(
        "Link",
        account
            .link
            .as_ref()
            .map_or_else(unknown, |link| model.secret(link)),
    );
    fact("Server", theme.safe(&account.server));
    fact(
        "Fingerprint",
        account
            .fingerprint
            .as_ref()
            .map_or_else(unknown, |print| theme.safe(print)),
    );
    fact("This device", theme.safe(&account.device));
    lines.push(Line::default());
    let known = account.link.as_ref().filter(|_| !model.masked && !theme.ascii);
    let code = known.and_then(|link| account::qr_lines(link));
    match code {
        Some(code) if fits(model, &code, lines.len()) => {
            // Dark on light whatever the terminal's colours are, with a quiet zone of its own: scanners need both.
            let style = Style::new().fg(Color::Black).bg(Color::White);
            let wide = code.first().map_or(0, |line| text::width(line));
            let quiet = Line::from(Span::styled(" ".repeat(wide + 4), style)).centered();
            lines.push(quiet.clone());
            let rows = code
                .into_iter()
                .map(|row| Line::from(Span::styled(format!("  {row}  "), style)).centered());
            lines.extend(rows);
            lines.push(quiet);
        }
        Some(_) => lines.push(Line::styled(
            "Make the terminal larger to see the QR code.",
            theme.dim(),
        )),
        None if model.masked => lines.push(Line::styled("Hidden. i shows it.", theme.dim())),
        None => (),
    }
    lines.push(Line::styled(
        "Whoever has the ID or the link can join this account.",
        theme.warn(),
    ));
    lines
}

/// Tells whether a code can be seen whole, after so many lines.
fn fits(model: &Model, code: &[String], lines: usize) -> bool {
    let wide = code.first().map_or(0, |line| text::width(line)) + 4;
    let high = lines + code.len() + 5;
    wide <= room(model) && high <= usize::from(model.size.1)
}

fn confirm_lines(model: &Model, confirm: &Confirm) -> Vec<Line<'static>> {
    let theme = &model.options.theme;
    let width = room(model).min(COLUMNS);
    let said = confirm
        .lines
        .iter()
        .flat_map(|line| text::wrap(&theme.safe(line), width));
    let mut lines: Vec<Line<'static>> = said.map(Line::from).collect();
    lines.push(Line::default());
    let answers = confirm.answers.iter().enumerate();
    lines.extend(answers.map(|(index, reply)| answer_line(theme, &reply.label, index == confirm.selected)));
    lines
}

fn draw_input(model: &Model, input: &Input, area: Rect, frame: &mut Frame<'_>) {
    let theme = &model.options.theme;
    let room = usize::from(area.width).saturating_sub(4);
    let before = text::cut_start(&theme.safe(input.before()), room, theme.ellipsis());
    let whole = input.text();
    let after = theme.safe(&whole[input.before().len()..]);
    let after = text::cut(
        &after,
        room.saturating_sub(text::width(&before)),
        theme.ellipsis(),
    );
    let x = area.x + 2 + u16::try_from(text::width(&before)).unwrap_or(0);
    let line = Line::from(vec![
        Span::styled(theme.pick("› ", "> "), theme.accent()),
        Span::styled(before, theme.bold()),
        Span::styled(after, theme.bold()),
    ]);
    frame.render_widget(line, area);
    frame.set_cursor_position(Position::new(x, area.y));
}

fn draw_palette(model: &Model, palette: &Palette, inner: Rect, frame: &mut Frame<'_>) {
    let theme = &model.options.theme;
    draw_input(
        model,
        &palette.input,
        Rect::new(inner.x, inner.y, inner.width, 1).intersection(inner),
        frame,
    );
    let rows = usize::from(inner.height.saturating_sub(2));
    let columns = usize::from(inner.width);
    if palette.found().len() == 0 {
        let place = Rect::new(inner.x, inner.y + 2, inner.width, 1).intersection(inner);
        frame.render_widget(Line::styled("Nothing is called like that.", theme.dim()), place);
    }
    let entries = palette.found().enumerate().skip(palette.cursor.top).take(rows);
    for (y, (index, binding)) in entries.enumerate() {
        let keys = keys_of(binding);
        let help = text::fit(
            binding.help,
            columns.saturating_sub(text::width(&keys) + 3),
            theme.ellipsis(),
        );
        let mark = if index == palette.cursor.selected {
            theme.pick("▌", ">")
        } else {
            " "
        };
        let line = Line::from(vec![
            Span::styled(mark, theme.accent()),
            Span::raw(help),
            Span::styled(format!(" {keys} "), theme.dim()),
        ]);
        let line = if index == palette.cursor.selected {
            line.patch_style(theme.selected())
        } else {
            line
        };
        let y = inner.y + 2 + u16::try_from(y).unwrap_or(0);
        frame.render_widget(line, Rect::new(inner.x, y, inner.width, 1));
    }
}
