//! Many events, large folders, and a client that loses some.

use super::{Screen, change, item, progress};
use crate::control::{Answer, Ask, ItemKind, ItemState};
use crate::notice::Notice;
use crate::screen::message::{Effect, Message};
use crate::screen::update::update;

#[test]
fn a_storm_of_changes_asks_for_a_listing_once() {
    let mut screen = Screen::new(80, 24);
    let mut listings = 0;
    for n in 0..500 {
        let message = Message::Notice(Box::new(change("photos/IMG.jpg", 5000 + n)));
        let effects = update(&mut screen.model, message);
        listings += effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Ask(Ask::List { .. })))
            .count();
    }
    assert!(listings <= 1, "{listings}");
    assert!(screen.model.due_ms().is_some(), "the rest is asked later");
}

#[test]
fn lost_notices_lead_to_asking_for_all_anew() {
    let mut screen = Screen::new(80, 24);
    update(&mut screen.model, Message::Clock(super::NOW_MS + 10_000));
    let effects = update(&mut screen.model, Message::Lagged);
    for ask in [Ask::Status, Ask::Conflicts, Ask::Devices, Ask::List { dir: None }] {
        assert!(effects.contains(&Effect::Ask(ask)), "{effects:?}");
    }
}

#[test]
fn a_directory_of_a_hundred_thousand_is_scrolled_to_its_end() {
    let mut screen = Screen::new(80, 24);
    let items = (0..100_000).map(|n| item(&format!("file {n:06}"), ItemKind::File, n, ItemState::Synced, 0));
    screen.answer(Ask::List { dir: None }, Answer::List(items.collect()));
    screen.press("G");
    screen.sees("file 099999");
    screen.sees("100 000 of 100 000");
    screen.press("g");
    screen.sees("file 000000");
}

#[test]
fn the_tree_shows_how_far_a_transfer_is() {
    let mut screen = Screen::new(80, 24);
    let items = vec![item("film.mkv", ItemKind::File, 1000, ItemState::Waiting, 0)];
    screen.answer(Ask::List { dir: None }, Answer::List(items));
    screen.hear(progress(990, 1000));
    screen.sees("99 %");
    screen.hear(progress(1000, 1000));
    screen.sees_not(" %");
}

#[test]
fn a_screen_at_rest_wakes_for_nothing() {
    let mut screen = Screen::new(80, 24);
    screen.take(Message::Clock(super::NOW_MS + 86_400_000));
    assert_eq!(screen.model.due_ms(), None);
    screen.hear(progress(1, 1000));
    assert_eq!(screen.model.due_ms(), Some(500));
    screen.hear(Notice::Synced {
        version: sync_engine::Version(4712),
    });
    screen.answer(Ask::Status, Answer::Status(super::status()));
}

#[test]
fn a_listing_that_comes_late_does_not_move_the_selection() {
    let mut screen = Screen::new(80, 24);
    screen.press("j j j");
    let selected = screen.model.tree_path();
    let mut items = super::root();
    items.push(item("aaa", ItemKind::Dir, 0, ItemState::Synced, 0));
    screen.answer(Ask::List { dir: None }, Answer::List(items));
    assert_eq!(screen.model.tree_path(), selected);
}
