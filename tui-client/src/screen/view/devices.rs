//! The account's devices.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use super::list::{self, Flexible};
use crate::control::DeviceItem;
use crate::screen::model::Model;
use crate::screen::pane::Pane;
use crate::screen::text;

/// Draws the devices.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>) {
    if model.len(Pane::Devices) == 0 {
        let more = "The list comes from the server. Press a for the link that brings in another device.";
        list::draw_empty(model, Pane::Devices, frame, "No devices are known yet.", more);
        return;
    }
    list::draw(model, Pane::Devices, frame, |index, columns| {
        let device = model.devices.as_ref()?.get(index)?;
        Some(line(model, device, columns))
    });
}

fn line(model: &Model, device: &DeviceItem, columns: usize) -> Line<'static> {
    let theme = &model.options.theme;
    let mark = if model.marked_devices.contains(&device.id) {
        theme.pick("◆", "#")
    } else {
        " "
    };
    let (glyph, style, word) = match (device.revoked, device.online) {
        (true, _) => (theme.pick("✗", "x"), theme.bad(), "shut out".to_owned()),
        (false, true) => (theme.pick("●", "*"), theme.good(), "connected".to_owned()),
        (false, false) => (
            theme.pick("○", "o"),
            theme.dim(),
            format!("seen {}", text::ago(model.now_ms, device.seen_ms)),
        ),
    };
    let left = vec![
        Span::styled(mark, theme.accent()),
        Span::styled(format!("{glyph} "), style),
    ];
    let mut right = Vec::new();
    if columns >= 60 {
        let since = text::moment(device.enrolled_ms, model.now_ms, &theme.zone);
        right.push(Span::styled(format!("  enrolled {since}"), theme.dim()));
    }
    right.push(Span::styled(text::right(&word, 17), style));
    right.push(Span::raw(" "));
    let here = if device.here { " (this device)" } else { "" };
    let name = format!("{}{here}", theme.safe(&device.name));
    let style = if device.revoked { theme.dim() } else { theme.text() };
    let middle = Flexible {
        text: &name,
        style,
        cut_start: false,
    };
    list::row(theme, columns, left, &middle, right)
}
