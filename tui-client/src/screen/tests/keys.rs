//! The table of keys, held against what the keys do.

use super::Screen;
use crate::control::{Answer, Ask, ItemKind, ItemState};
use crate::screen::keys::{Action, Context, KeyTable};
use crate::screen::message::Message;
use crate::screen::model::Model;
use crate::screen::pane::Pane;

/// What can be told apart of a screen.
fn trace(screen: &Screen) -> String {
    let Model {
        cursors,
        masked,
        zoomed,
        focus,
        tab,
        filtering,
        ..
    } = &screen.model;
    let popup = screen.model.popup.is_some();
    format!(
        "{} {cursors:?} {masked} {zoomed} {focus:?} {tab:?} {filtering} {popup} {:?} {:?}",
        screen.seen(),
        screen.effects,
        screen.model.questions,
    )
}

#[test]
fn every_key_of_the_help_does_something() {
    for pane in Pane::ALL {
        for context in [Context::Pane(pane), Context::Global] {
            let table = KeyTable::default();
            for binding in table.of(context) {
                for key in &binding.keys {
                    assert!(
                        does_something(pane, binding.action, *key),
                        "{pane:?}: {key} does nothing"
                    );
                }
            }
        }
    }
}

fn does_something(pane: Pane, action: Action, key: crate::screen::keys::Key) -> bool {
    if action == Action::GoTo(u8::try_from(pane.index() + 1).expect("few panes")) {
        // It is there already.
        return true;
    }
    let inside = super::item("inside", ItemKind::File, 1, ItemState::Synced, 0);
    // A place from which there is a way in every direction, with something to end, to undo and to dismiss.
    ["g", "G", "open", "filter e", "filter m"]
        .into_iter()
        .any(|place| {
            let mut screen = Screen::new(120, 36);
            let number = (pane.index() + 1).to_string();
            if pane == Pane::History {
                screen.press("j j j");
                screen.press(&number);
                let path = screen.model.history.path.clone().expect("something is selected");
                screen.answer(Ask::History { path }, Answer::Log(super::log()));
            } else {
                screen.press(&number);
            }
            for _ in 0..20 {
                screen.hear(super::progress(1000, 1000));
            }
            screen.hear(super::progress(500, 1000));
            screen.hear(crate::notice::Notice::Brake {
                removals: 5,
                nodes: 10,
                reason: "Many files are gone.".to_owned(),
            });
            match place {
                "open" if pane == Pane::Tree => {
                    screen.press("g enter");
                    let dir = screen.model.tree.item_at(0).map(|item| item.id);
                    screen.answer(
                        Ask::List { dir },
                        Answer::List(vec![inside.clone(), inside.clone()]),
                    );
                }
                "filter e" | "filter m" => {
                    // Filtered, so that there are matches to go to and a filter to end.
                    screen.press("G /");
                    screen.take(Message::Paste(place[7..].to_owned()));
                    screen.press("enter");
                }
                _ => {
                    screen.press(place.trim_start_matches("open").get(..1).unwrap_or("G"));
                }
            }
            screen.model.toast = None;
            let before = trace(&screen);
            screen.take(Message::Key(key));
            before != trace(&screen)
        })
}

#[test]
fn the_hints_come_from_the_table_and_fit() {
    for columns in [40, 60, 80, 120, 200] {
        let screen = Screen::new(columns, 24);
        let hints = crate::screen::layout::hints(&screen.model);
        assert!(hints.iter().any(|hint| hint.action == Action::Quit));
        assert!(hints.iter().any(|hint| hint.action == Action::Help));
        assert!(
            hints.iter().all(|hint| hint.x + hint.width <= columns),
            "{columns}: {hints:?}"
        );
        assert!(hints.windows(2).all(|pair| pair[0].x + pair[0].width < pair[1].x));
    }
}

#[test]
fn the_help_holds_every_key_of_every_pane() {
    let mut screen = Screen::new(120, 200);
    screen.press("?");
    let seen = screen.seen();
    for binding in KeyTable::default().bindings {
        if matches!(binding.context, Context::Pane(_) | Context::Global) {
            assert!(
                seen.contains(&binding.help[..20.min(binding.help.len())]),
                "{}",
                binding.help
            );
        }
    }
}
