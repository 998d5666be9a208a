//! What the screen looks like, at several sizes.

use super::{Screen, Theme, change, progress};
use crate::screen::message::Message;

#[test]
fn the_screen_at_120_columns() {
    insta::assert_snapshot!(Screen::new(120, 36).seen());
}

#[test]
fn the_screen_at_80_columns() {
    insta::assert_snapshot!(Screen::new(80, 24).seen());
}

#[test]
fn the_screen_at_60_columns_stacks_its_panes() {
    insta::assert_snapshot!(Screen::new(60, 20).seen());
}

#[test]
fn a_screen_that_is_too_small_says_so() {
    insta::assert_snapshot!(Screen::new(30, 8).seen());
}

#[test]
fn the_screen_before_anything_is_known() {
    insta::assert_snapshot!(Screen::bare(80, 16, Theme::plain(false, false)).seen());
}

#[test]
fn the_screen_in_ascii() {
    let mut screen = Screen::new(100, 24);
    screen.model.options.theme = Theme::plain(true, false);
    screen.hear(progress(250, 1000));
    screen.press("6");
    let seen = screen.seen();
    assert!(seen.is_ascii(), "{seen}");
    insta::assert_snapshot!(seen);
}

#[test]
fn each_tab_at_80_columns() {
    let mut screen = Screen::new(100, 24);
    screen.hear(progress(250, 1000));
    screen.hear(change("photos/IMG_2042.jpg", 4712));
    for (key, name) in [
        ("2", "feed"),
        ("3", "conflicts"),
        ("5", "devices"),
        ("6", "transfers"),
        ("7", "attention"),
    ] {
        screen.press(key);
        insta::assert_snapshot!(format!("tab_{name}"), screen.seen());
    }
}

#[test]
fn the_windows() {
    let mut screen = Screen::new(120, 36);
    for (keys, name) in [
        ("a", "account"),
        ("?", "help"),
        (":", "palette"),
        ("3 enter", "resolve"),
        ("5 j x", "revoke"),
    ] {
        screen.press(keys);
        insta::assert_snapshot!(format!("window_{name}"), screen.seen());
        screen.press("esc");
    }
}

#[test]
fn drawing_never_panics_at_any_size() {
    let mut screen = Screen::new(120, 36);
    screen.hear(progress(250, 1000));
    for keys in [
        "1", "2", "3", "4", "5", "6", "7", "a", "? j", ":", "3 enter", "5 x", "5 r",
    ] {
        screen.take(Message::Resize {
            columns: 120,
            rows: 36,
        });
        screen.press("esc esc").press(keys);
        for (columns, rows) in (1..90)
            .step_by(13)
            .flat_map(|columns| (1..30).step_by(5).map(move |rows| (columns, rows)))
        {
            screen.take(Message::Resize { columns, rows });
            screen.seen();
        }
    }
}

#[test]
fn a_terminal_that_is_ahead_of_its_event_is_not_drawn_upon() {
    let screen = Screen::new(120, 36);
    let mut terminal = ratatui::Terminal::new(ratatui::backend::TestBackend::new(30, 8)).expect("a terminal");
    terminal
        .draw(|frame| crate::screen::view::view(&screen.model, frame))
        .expect("a drawing");
}

#[test]
fn names_from_outside_cannot_reach_the_terminal() {
    let screen = Screen::new(120, 36);
    let seen = screen.seen();
    assert!(!seen.contains('\u{1b}') && !seen.contains('\u{202e}'));
    screen.sees("evil\\u{1b}[2J\\u{202e}");
}
