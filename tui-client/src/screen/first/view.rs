//! How the first start looks.

use common::fingerprint::Fingerprint;
use ratatui::Frame;
use ratatui::layout::{Constraint, Margin, Position};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::Join;
use super::form::{Form, Stage, answers};
use crate::screen::Theme;
use crate::screen::layout::SIZE_MIN;
use crate::screen::text::{cut_start, width, wrap};
use crate::screen::view;

/// The columns of the form, with its border.
const COLUMNS: u16 = 72;

/// Draws the form.
pub(super) fn view(form: &Form, theme: &Theme, frame: &mut Frame<'_>) {
    let whole = frame.area();
    if whole.width < SIZE_MIN.0 || whole.height < SIZE_MIN.1 {
        view::too_small(theme, frame, "Ctrl-C leaves");
        return;
    }
    let columns = COLUMNS.min(whole.width);
    let room = usize::from(columns.saturating_sub(6));
    let mut lines = known(form, theme, room);
    lines.extend(question(form, theme, room));
    let input_at = lines.len();
    if let Some(line) = input_line(form, theme, room) {
        lines.push(line);
    }
    lines.extend(choices(form, theme));
    if let Some(complaint) = &form.complaint {
        lines.push(Line::default());
        let mark = theme.pick("✗", "x");
        for (i, part) in wrap(&theme.safe(complaint), room - 2).into_iter().enumerate() {
            let lead = if i == 0 { mark } else { " " };
            lines.push(Line::styled(format!("{lead} {part}"), theme.bad()));
        }
    }
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(4)
        .min(whole.height);
    let area = whole.centered(Constraint::Length(columns), Constraint::Length(height));
    frame.render_widget(Clear, area);
    let hints = match form.stage {
        Stage::Server | Stage::Folder | Stage::Id => " Enter takes it   Esc goes back   Ctrl-C leaves ",
        Stage::Reaching => " Esc goes back   Ctrl-C leaves ",
        Stage::NewOrJoin | Stage::Compare | Stage::Refused => {
            " Up, Down, Enter   Esc goes back   Ctrl-C leaves "
        }
    };
    let block = view::frame_block(theme, true)
        .title_top(Line::styled(" Welcome to Holdfast ", theme.accent()))
        .title_bottom(Line::styled(hints, theme.dim()).right_aligned());
    frame.render_widget(block, area);
    let inner = area.inner(Margin::new(3, 2));
    // When there is little room, the end of the form is what matters.
    let over = lines.len().saturating_sub(usize::from(inner.height));
    let shown: Vec<Line<'_>> = lines.split_off(over);
    frame.render_widget(Paragraph::new(shown), inner);
    if matches!(form.stage, Stage::Server | Stage::Folder | Stage::Id) {
        let x = 2 + width(&cut_start(
            &theme.safe(form.input.before()),
            room - 3,
            theme.ellipsis(),
        ));
        let y = input_at.saturating_sub(over);
        frame.set_cursor_position(Position::new(
            inner.x + u16::try_from(x).unwrap_or(0),
            inner.y + u16::try_from(y).unwrap_or(0),
        ));
    }
}

/// The answers so far.
fn known(form: &Form, theme: &Theme, room: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut add = |word: &str, value: String| {
        let value = cut_start(&theme.safe(&value), room.saturating_sub(12), theme.ellipsis());
        lines.push(Line::from(vec![
            Span::styled(format!("{} ", theme.pick("✓", "=")), theme.good()),
            Span::styled(format!("{word:<10}"), theme.dim()),
            Span::raw(value),
        ]));
    };
    if let Some(server) = &form.server {
        add("Server", server.to_string());
    }
    if let Some(folder) = &form.folder {
        add("Folder", folder.display().to_string());
    }
    match &form.join {
        Some(Join::New) => add("Account", "a new one".to_owned()),
        Some(Join::Join(_)) => add("Account", "the one with the given ID".to_owned()),
        None => (),
    }
    if !lines.is_empty() {
        lines.push(Line::default());
    }
    lines
}

fn question(form: &Form, theme: &Theme, room: usize) -> Vec<Line<'static>> {
    let (title, more) = match form.stage {
        Stage::Server => (
            "Where is the server?",
            "Its name or address, such as nas.local or 192.168.1.5:7733, or a pairing link (holdfast://…).",
        ),
        Stage::Folder => (
            "Which folder shall be kept the same?",
            "A path such as ~/Documents. It may be empty, or hold files already: nothing in it gets lost.",
        ),
        Stage::NewOrJoin => (
            "Is this the first device?",
            "Each account is one folder. Join the account that another device shows to have the same folder here.",
        ),
        Stage::Id => (
            "What is the account's ID?",
            "Another device shows it when you press a. A pairing link will do as well.",
        ),
        Stage::Reaching => ("Reaching the server …", "This takes a moment."),
        Stage::Compare => (
            "Does the server show the same fingerprint?",
            "It prints it when it starts. If the two differ, somebody stands between you and your server.",
        ),
        Stage::Refused => (
            "This is not the server that you know.",
            "Its key has another fingerprint. Nothing was sent to it. Ask whoever runs the server whether its key was \
             replaced.",
        ),
    };
    let mut lines = vec![Line::styled(theme.safe(title), theme.bold())];
    lines.extend(
        wrap(&theme.safe(more), room)
            .into_iter()
            .map(|line| Line::styled(line, theme.dim())),
    );
    lines.push(Line::default());
    match (form.stage, form.found, form.expected) {
        (Stage::Compare, Some(found), _) => {
            lines.extend(fingerprint_lines(found).map(|line| Line::styled(line, theme.accent())));
            lines.push(Line::default());
        }
        (Stage::Refused, Some(found), Some(expected)) => {
            lines.push(Line::styled("expected", theme.dim()));
            lines.extend(fingerprint_lines(expected).map(|line| Line::styled(line, theme.good())));
            lines.push(Line::styled("shown by the server", theme.dim()));
            lines.extend(fingerprint_lines(found).map(|line| Line::styled(line, theme.bad())));
            lines.push(Line::default());
        }
        _ => (),
    }
    lines
}

/// Writes a fingerprint in groups of four digits, which two people can compare.
fn fingerprint_lines(fingerprint: Fingerprint) -> impl Iterator<Item = String> {
    let digits = fingerprint.to_string();
    let groups: Vec<String> = digits
        .as_bytes()
        .chunks(4)
        .map(|group| String::from_utf8_lossy(group).into_owned())
        .collect();
    let lines: Vec<String> = groups
        .chunks(8)
        .map(|line| format!("  {}", line.join(" ")))
        .collect();
    lines.into_iter()
}

fn input_line(form: &Form, theme: &Theme, room: usize) -> Option<Line<'static>> {
    if !matches!(form.stage, Stage::Server | Stage::Folder | Stage::Id) {
        return None;
    }
    let before = cut_start(&theme.safe(form.input.before()), room - 3, theme.ellipsis());
    let text = form.input.text();
    let after = theme.safe(&text[form.input.before().len()..]);
    let after = crate::screen::text::cut(
        &after,
        (room - 2).saturating_sub(width(&before)),
        theme.ellipsis(),
    );
    Some(Line::from(vec![
        Span::styled(theme.pick("› ", "> "), theme.accent()),
        Span::styled(before, theme.bold()),
        Span::styled(after, theme.bold()),
    ]))
}

fn choices(form: &Form, theme: &Theme) -> Vec<Line<'static>> {
    let answers = answers(form.stage).iter().enumerate();
    answers
        .map(|(index, answer)| view::answer_line(theme, answer, index == form.selected))
        .collect()
}
