//! The header: state and protection, rates, the ID, the server.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::control::State;
use crate::screen::model::{Connection, Model};
use crate::screen::text;

/// Draws the two lines of the header, and the banner.
pub(super) fn draw(model: &Model, header: Rect, banner_area: Rect, frame: &mut Frame<'_>) {
    let theme = &model.options.theme;
    let first = Rect::new(header.x, header.y, header.width, 1);
    let second = Rect::new(header.x, header.y + 1, header.width, 1);
    let state = state_spans(model, usize::from(header.width));
    let rates = rate_spans(model);
    // How safe everything is counts more than how fast.
    let wide: usize = state.iter().chain(&rates).map(Span::width).sum();
    let rates = if wide < usize::from(header.width) {
        rates
    } else {
        Vec::new()
    };
    both_ends(state, rates, first, frame);
    both_ends(
        id_spans(model),
        server_spans(model, usize::from(header.width)),
        second,
        frame,
    );
    if let Some(banner) = banner(model) {
        let mark = theme.pick("▲", "!");
        let shown = format!(" {mark} {}", theme.safe(&banner));
        let shown = text::fit(&shown, usize::from(banner_area.width), theme.ellipsis());
        let style = theme.bad().add_modifier(ratatui::style::Modifier::REVERSED);
        frame.render_widget(Span::styled(shown, style), banner_area);
    }
}

/// What stops the client, and where to act; nothing when nothing does.
pub(crate) fn banner(model: &Model) -> Option<String> {
    if let Some(brake) = &model.attention.brake {
        return Some(format!(
            "The brake is on: {} of {} would be removed or overwritten. Press 7, then c.",
            text::number(brake.removals),
            text::number(brake.nodes),
        ));
    }
    let trouble = model.attention.standing.as_ref()?;
    let state = model.status.as_ref()?.state;
    matches!(state, State::Halted | State::Error).then(|| format!("{} (7 tells more)", trouble.what))
}

fn both_ends(left: Vec<Span<'static>>, right: Vec<Span<'static>>, area: Rect, frame: &mut Frame<'_>) {
    let right = Line::from(right);
    let wide = u16::try_from(right.width()).unwrap_or(u16::MAX).min(area.width);
    frame.render_widget(Line::from(left), area);
    let place = Rect::new(area.right() - wide, area.y, wide, 1);
    frame.render_widget(right, place);
}

fn state_spans(model: &Model, columns: usize) -> Vec<Span<'static>> {
    let theme = &model.options.theme;
    let mut spans = vec![Span::raw(" ")];
    let (Some(state), Some(status)) = (model.state(), &model.status) else {
        spans.push(Span::styled("starting", theme.dim()));
        return spans;
    };
    let (glyph, style) = theme.state(state);
    let pending = (status.pending > 0).then(|| format!("{} waiting", text::number(status.pending)));
    let scanning = model
        .scanning
        .map(|nodes| format!("{} looked at", text::number(nodes)));
    let (word, more) = match state {
        State::Synced => ("synced", scanning),
        State::Syncing => ("syncing", pending.or(scanning)),
        State::Offline => ("offline", offline(model)),
        State::Halted => ("halted", None),
        State::Error => ("error", None),
    };
    spans.push(Span::styled(
        format!("{glyph} {word}"),
        style.add_modifier(ratatui::style::Modifier::BOLD),
    ));
    if let Some(more) = more {
        spans.push(Span::raw(format!("  {}", theme.safe(&more))));
    }
    if columns >= 60 {
        let protected = match status.protected_ms {
            Some(at_ms) => {
                let moment = text::moment(at_ms, model.now_ms, &theme.zone);
                format!("  protected as of {moment}")
            }
            None => "  not yet protected".to_owned(),
        };
        spans.push(Span::styled(protected, theme.dim()));
    }
    spans
}

fn offline(model: &Model) -> Option<String> {
    match &model.connection {
        Connection::Disconnected { reason, retry_ms } => {
            let seconds = retry_ms.saturating_sub(model.now_ms).div_ceil(1000);
            let retry = if seconds > 0 {
                format!(", again in {}", text::left(seconds))
            } else {
                String::new()
            };
            Some(format!(
                "{}{retry}",
                text::cut(reason, 40, model.options.theme.ellipsis())
            ))
        }
        Connection::Unknown | Connection::Connected => None,
    }
}

fn rate_spans(model: &Model) -> Vec<Span<'static>> {
    let theme = &model.options.theme;
    let (up, down) = model.transfers.rates(model.now_ms);
    let rate = |glyph: &str, rate: u64| format!("{glyph} {}/s ", text::size(rate));
    let style = |rate: u64, busy| if rate > 0 { busy } else { theme.dim() };
    vec![
        Span::styled(rate(theme.pick("↑", "^"), up), style(up, theme.up())),
        Span::raw(" "),
        Span::styled(rate(theme.pick("↓", "v"), down), style(down, theme.down())),
    ]
}

fn id_spans(model: &Model) -> Vec<Span<'static>> {
    let theme = &model.options.theme;
    let id = model.account.id.as_ref().map(|id| model.secret(id));
    vec![
        Span::styled(" ID ", theme.dim()),
        Span::raw(id.unwrap_or_else(|| "not known yet".to_owned())),
        Span::raw("  "),
    ]
}

fn server_spans(model: &Model, columns: usize) -> Vec<Span<'static>> {
    let theme = &model.options.theme;
    // The ID comes first; what it leaves is the server's.
    let id = model
        .account
        .id
        .as_ref()
        .map_or(13, |id| text::width(&model.secret(id)));
    let room = columns.saturating_sub(id + 8);
    let (glyph, style) = match model.connection {
        Connection::Connected => (theme.pick("●", "*"), theme.good()),
        Connection::Unknown | Connection::Disconnected { .. } => (theme.pick("○", "o"), theme.warn()),
    };
    let pinned = if model.options.pinned {
        "pinned"
    } else {
        "not pinned"
    };
    let server = theme.safe(&model.account.server);
    let mut spans = vec![Span::styled(format!("{glyph} "), style)];
    let wide = text::width(&server) + pinned.len() + 4;
    if wide <= room {
        spans.push(Span::raw(format!("{server} ")));
        let style = if model.options.pinned {
            theme.good()
        } else {
            theme.warn()
        };
        spans.push(Span::styled(format!("{pinned} "), style));
    } else if room >= 10 {
        spans.push(Span::raw(text::cut(&server, room - 4, theme.ellipsis())));
        spans.push(Span::raw(" "));
    }
    spans
}
