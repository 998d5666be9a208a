//! How everything looks: a pure function from the model to the frame. Drawing changes nothing.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::symbols::border;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Paragraph};

use super::layout::{self, Areas};
use super::model::Model;
use super::pane::Pane;
use super::theme::Theme;
use super::{keys, text};

mod attention;
mod conflicts;
mod devices;
mod feed;
mod footer;
mod header;
mod history;
mod list;
mod popup;
mod transfers;
mod tree;

pub(crate) use header::banner;
pub(crate) use popup::popup_size;

/// Borders for terminals that know ASCII only.
const ASCII_BORDER: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

/// Draws the screen.
pub(crate) fn view(model: &Model, frame: &mut Frame<'_>) {
    if frame.area() != layout::whole(model) {
        // The terminal has just got another size; what is laid out for the old one could lie outside. The event of
        // the new size is on its way.
        return;
    }
    if layout::is_too_small(model) {
        let quit = model
            .options
            .keys
            .of(keys::Context::Global)
            .find(|line| line.action == keys::Action::Quit);
        let key = quit
            .and_then(|line| line.keys.first())
            .map(ToString::to_string)
            .unwrap_or_default();
        too_small(&model.options.theme, frame, &format!("{key} leaves"));
        return;
    }
    let areas = layout::layout(model);
    header::draw(model, areas.header, areas.banner, frame);
    draw_panes(model, areas, frame);
    footer::draw(model, areas.footer, frame);
    popup::draw(model, frame);
}

/// Says that the terminal is too small, and how to leave.
pub(crate) fn too_small(theme: &Theme, frame: &mut Frame<'_>, leave: &str) {
    let area = frame.area();
    let (columns, rows) = layout::SIZE_MIN;
    let lines = vec![
        Line::styled(format!("At least {columns} x {rows} is needed"), theme.bold()),
        Line::styled(
            format!("this is {} x {}; {leave}", area.width, area.height),
            theme.dim(),
        ),
    ];
    let middle = area.centered_vertically(Constraint::Length(2));
    frame.render_widget(Paragraph::new(lines).centered(), middle);
}

/// Returns the border of a pane or window.
pub(crate) fn frame_block(theme: &Theme, focused: bool) -> Block<'static> {
    let block = Block::bordered().border_style(if focused { theme.accent() } else { theme.dim() });
    if theme.ascii {
        block.border_set(ASCII_BORDER)
    } else {
        block.border_type(BorderType::Rounded)
    }
}

/// Returns an answer that can be chosen.
pub(crate) fn answer_line(theme: &Theme, answer: &str, selected: bool) -> Line<'static> {
    let mark = if selected { theme.pick("▌ ", "> ") } else { "  " };
    let line = Line::from(format!("{mark}{} ", theme.safe(answer)));
    if selected {
        line.style(theme.selected())
    } else {
        line
    }
}

fn draw_panes(model: &Model, areas: Areas, frame: &mut Frame<'_>) {
    let theme = &model.options.theme;
    if let Some(area) = areas.tree {
        let focused = model.focus == Pane::Tree && model.popup.is_none();
        let title = Line::styled(" 1 Folder ", if focused { theme.accent() } else { theme.text() });
        let block = frame_block(theme, focused).title_top(title);
        let block = below(block, model, Pane::Tree, area);
        frame.render_widget(block, area);
        tree::draw(model, frame);
    }
    if let Some(area) = areas.tab {
        let focused = model.focus != Pane::Tree && model.popup.is_none();
        let block = frame_block(theme, focused);
        let block = below(block, model, model.tab, area);
        frame.render_widget(block, area);
        draw_tabs(model, area, focused, frame);
        match model.tab {
            Pane::Feed | Pane::Tree => feed::draw(model, frame),
            Pane::Conflicts => conflicts::draw(model, frame),
            Pane::History => history::draw(model, frame),
            Pane::Devices => devices::draw(model, frame),
            Pane::Transfers => transfers::draw(model, frame),
            Pane::Attention => attention::draw(model, frame),
        }
    }
}

/// Puts the filter at the left and the place in the list at the right of the lower border.
fn below<'a>(block: Block<'a>, model: &Model, pane: Pane, area: Rect) -> Block<'a> {
    let theme = &model.options.theme;
    let typing = model.filtering && model.focus == pane;
    let filter = model.filters[pane.index()].text();
    let mut block = block;
    let len = model.len(pane);
    let mut room = usize::from(area.width.saturating_sub(6));
    if len > layout::list_height(model, pane) {
        let place = format!(
            " {} of {} ",
            text::number(model.cursor(pane).selected as u64 + 1),
            text::number(len as u64)
        );
        room = room.saturating_sub(text::width(&place));
        block = block.title_bottom(Line::styled(place, theme.dim()).right_aligned());
    }
    if typing || !filter.is_empty() {
        let cursor = if typing { theme.pick("▏", "_") } else { "" };
        let shown = text::cut_start(&theme.safe(&filter), room, theme.ellipsis());
        block = block.title_bottom(Line::styled(format!(" /{shown}{cursor} "), theme.accent()));
    } else if let Some(note) = note(model, pane) {
        let shown = text::cut_start(&note, room, theme.ellipsis());
        block = block.title_bottom(Line::styled(format!(" {shown} "), theme.dim()));
    }
    block
}

/// What the lower border says when there is no filter.
fn note(model: &Model, pane: Pane) -> Option<String> {
    let theme = &model.options.theme;
    match pane {
        Pane::Tree if !model.tree.marked.is_empty() => Some(format!("{} marked", model.tree.marked.len())),
        Pane::Tree => {
            let status = model.status.as_ref()?;
            Some(text::count(status.nodes, "node"))
        }
        Pane::Feed if model.feed.frozen => Some(format!("frozen, {} new", model.feed.held())),
        Pane::Conflicts if !model.marked_conflicts.is_empty() => {
            Some(format!("{} marked", model.marked_conflicts.len()))
        }
        Pane::Devices if !model.marked_devices.is_empty() => {
            Some(format!("{} marked", model.marked_devices.len()))
        }
        Pane::History => model
            .history
            .path
            .as_ref()
            .map(|path| theme.safe(&path.to_string())),
        _ => None,
    }
}

fn draw_tabs(model: &Model, area: Rect, focused: bool, frame: &mut Frame<'_>) {
    let theme = &model.options.theme;
    for (pane, x, title) in layout::tabs(model, area.width) {
        let style = match pane {
            _ if pane == model.tab && focused => theme.accent(),
            _ if pane == model.tab => theme.bold(),
            Pane::Conflicts | Pane::Attention if tab_count(model, pane) > 0 => theme.warn(),
            _ => theme.dim(),
        };
        let width = u16::try_from(text::width(&title)).unwrap_or(0);
        let place = Rect::new(area.x.saturating_add(x), area.y, width, 1).intersection(area);
        frame.render_widget(Span::styled(title, style), place);
    }
}

/// Returns the number beside a tab's name: what waits there.
pub(crate) fn tab_count(model: &Model, pane: Pane) -> u64 {
    match pane {
        Pane::Conflicts => match (&model.conflicts, &model.status) {
            (Some(conflicts), _) => conflicts.len() as u64,
            (None, Some(status)) => status.conflicts,
            (None, None) => 0,
        },
        Pane::Transfers => model.transfers.active().len() as u64,
        Pane::Attention => model.attention.len() as u64,
        Pane::Tree | Pane::Feed | Pane::History | Pane::Devices => 0,
    }
}
