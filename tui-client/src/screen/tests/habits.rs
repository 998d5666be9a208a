//! Each habit as keys and what comes of them.

use super::{Screen, change, id, path};
use crate::control::{Answer, Ask, Choice, Moment};
use crate::notice::{Notice, Trouble};
use crate::screen::Exit;
use crate::screen::layout::{self, Hit};
use crate::screen::message::{Effect, Message, Mouse, MouseDeed};
use crate::screen::pane::Pane;
use sync_engine::{DeviceId, Version};

#[test]
fn arrows_and_letters_move_alike() {
    let mut screen = Screen::new(80, 24);
    for (keys, place) in [
        ("j", 1),
        ("down", 2),
        ("k", 1),
        ("up", 0),
        ("G", 6),
        ("g", 0),
        ("end", 6),
        ("home", 0),
    ] {
        screen.press(keys);
        assert_eq!(screen.model.cursor(Pane::Tree).selected, place, "{keys}");
    }
}

#[test]
fn q_and_ctrl_c_leave_even_when_it_is_too_small() {
    for (columns, rows) in [(80, 24), (30, 8)] {
        for key in ["q", "ctrl-c"] {
            let mut screen = Screen::new(columns, rows);
            screen.press(key);
            assert_eq!(screen.effects, [Effect::Quit(Exit::Quit)]);
        }
    }
}

#[test]
fn a_screen_that_is_too_small_takes_no_other_key() {
    let mut screen = Screen::new(30, 8);
    screen.press("5 x enter j enter");
    assert_eq!(screen.effects, []);
    assert!(screen.model.popup.is_none());
}

#[test]
fn a_filter_narrows_as_one_types_and_esc_shows_all() {
    let mut screen = Screen::new(120, 36);
    screen.press("/ n o t");
    screen.sees("/not");
    screen.sees("notes.md");
    screen.sees_not("scratch.tmp");
    screen.press("enter esc");
    screen.sees("scratch.tmp");
    screen.press("2 / p h o n e enter");
    assert_eq!(screen.model.len(Pane::Feed), 1);
    screen.press("/ z esc");
    assert_eq!(screen.model.len(Pane::Feed), 3);
}

#[test]
fn q_types_while_a_filter_is_typed() {
    let mut screen = Screen::new(80, 24);
    screen.press("/ q");
    assert_eq!(screen.effects, []);
    screen.sees("/q");
}

#[test]
fn the_palette_finds_and_does() {
    let mut screen = Screen::new(120, 36);
    screen.press(":");
    screen.take(Message::Paste("hides id".to_owned()));
    screen.press("enter");
    screen.sees_not("7K3MQ");
}

#[test]
fn the_mask_hides_the_id_the_link_and_the_code() {
    let mut screen = Screen::new(120, 50);
    screen.press("a");
    screen.sees("holdfast://");
    screen.sees("▀");
    screen.press("i");
    screen.sees_not("7K3MQ");
    screen.sees_not("holdfast://");
    screen.sees_not("▀");
}

#[test]
fn panes_are_reached_by_number_and_by_tab_and_zoomed() {
    let mut screen = Screen::new(80, 24);
    screen.press("5");
    assert_eq!(screen.model.focus, Pane::Devices);
    screen.press("tab");
    assert_eq!(screen.model.focus, Pane::Transfers);
    screen.press("backtab backtab +");
    assert_eq!(screen.model.focus, Pane::History);
    screen.sees_not("1 Folder");
    screen.press("esc");
    screen.sees("1 Folder");
}

#[test]
fn a_directory_opens_by_asking_for_its_listing() {
    let mut screen = Screen::new(80, 24);
    let effects = crate::screen::update::update(
        &mut screen.model,
        Message::Key(crate::screen::keys::Key::parse("enter").expect("a key")),
    );
    assert_eq!(
        effects,
        [Effect::Ask(Ask::List {
            dir: Some(id("photos"))
        })]
    );
}

#[test]
fn copying_takes_all_marked_paths_and_nothing_deceptive() {
    let mut screen = Screen::new(80, 24);
    screen.press("G k k space space y");
    let copied = screen.effects.pop();
    assert!(
        matches!(&copied, Some(Effect::Copy(text)) if text.lines().count() == 2),
        "{copied:?}"
    );
    screen.press("esc / e v i l enter y");
    assert_eq!(
        screen.effects.pop(),
        Some(Effect::Copy("evil\\u{1b}[2J\\u{202e}\\u{a}x".to_owned()))
    );
}

#[test]
fn a_file_is_edited_where_it_is() {
    let mut screen = Screen::new(80, 24);
    screen.press("/ n o t e s enter e");
    assert_eq!(screen.effects, [Effect::Edit("/home/ann/folder/notes.md".into())]);
    screen.effects.clear();
    screen.press("esc g e");
    assert_eq!(screen.effects, [], "a directory is not edited");
}

#[test]
fn keeping_a_side_asks_first_and_the_safe_answer_is_the_default() {
    let mut screen = Screen::new(120, 36);
    screen.press("3 t");
    screen.sees("1 conflict copy (of laptop) will be deleted");
    screen.press("enter");
    assert_eq!(screen.orders(), [], "the default changes nothing");
    screen.press("t j enter");
    let order = Ask::Resolve {
        path: path("work/report (conflict, laptop, 2026-11-22).docx"),
        choice: Choice::This,
    };
    assert_eq!(screen.orders(), std::slice::from_ref(&order));
    screen.answer(order, Answer::Done);
    screen.sees("kept this side: 1 conflict ended");
}

#[test]
fn a_kept_side_is_undone_by_bringing_the_other_back() {
    let mut screen = Screen::new(120, 36);
    screen.press("3 t j enter");
    let order = screen.orders().remove(0);
    screen.answer(order, Answer::Done);
    screen.press("z j enter");
    let back = Ask::Restore {
        path: path("work/report (conflict, laptop, 2026-11-22).docx"),
        at: Moment::Version(Version(4711)),
        to: None,
    };
    assert_eq!(screen.orders(), [back]);
    screen.press("z");
    screen.sees("there is nothing to undo");
}

#[test]
fn a_side_that_is_gone_cannot_be_kept() {
    let mut screen = Screen::new(120, 36);
    screen.press("3 j t");
    assert!(screen.model.popup.is_none());
    screen.sees("this side is gone");
    screen.press("enter");
    screen.sees_not("Keep this");
}

#[test]
fn all_marked_conflicts_end_together() {
    let mut screen = Screen::new(120, 36);
    screen.press("3 g space space b j enter");
    assert_eq!(screen.orders().len(), 2);
}

#[test]
fn no_single_key_revokes_a_device() {
    let mut screen = Screen::new(120, 36);
    screen.press("5 j x");
    assert_eq!(screen.orders(), []);
    screen.sees("Shuts out 1 device: laptop.");
    screen.press("esc x enter");
    assert_eq!(screen.orders(), []);
    screen.press("x tab enter");
    assert_eq!(
        screen.orders(),
        [Ask::RevokeDevice {
            device: DeviceId([2; 16])
        }]
    );
}

#[test]
fn a_device_is_renamed_and_named_back() {
    let mut screen = Screen::new(120, 36);
    screen.press("5 j r ctrl-u n e w enter");
    let device = DeviceId([2; 16]);
    let name = |name: &str| Ask::RenameDevice {
        device,
        name: name.to_owned(),
    };
    assert_eq!(screen.orders(), [name("new")]);
    screen.answer(name("new"), Answer::Done);
    screen.press("z j enter");
    assert_eq!(screen.orders(), [name("laptop")]);
}

#[test]
fn a_deletion_is_restored_to_what_was_before_it() {
    let mut screen = Screen::new(120, 36);
    screen.press("2 j j H");
    let asked = path("old/draft.txt");
    assert_eq!(screen.model.history.path.as_ref(), Some(&asked));
    screen.answer(
        Ask::History { path: asked.clone() },
        Answer::Log(super::log().split_off(2)),
    );
    screen.press("r j enter");
    let order = Ask::Restore {
        path: asked,
        at: Moment::Version(Version(4708)),
        to: None,
    };
    assert_eq!(screen.orders(), [order]);
}

#[test]
fn the_brake_is_seen_everywhere_and_released_after_asking() {
    let mut screen = Screen::new(120, 36);
    screen.hear(Notice::Brake {
        removals: 4100,
        nodes: 5000,
        reason: "More than half would go.".to_owned(),
    });
    screen.sees("The brake is on: 4 100 of 5 000");
    screen.sees("halted");
    screen.press("7 c");
    screen.sees("Remove 4 100");
    screen.press("enter c j enter");
    assert_eq!(screen.orders(), [Ask::Confirm]);
}

#[test]
fn what_another_device_removed_is_listed_until_it_is_answered() {
    let mut screen = Screen::new(120, 36);
    screen.hear(Notice::Removed {
        removals: 300,
        nodes: 300,
        device: "laptop".to_owned(),
    });
    screen.press("7");
    screen.sees("300 nodes removed by another device");
    screen.press("c");
    screen.sees("Bring them back");
    screen.press("j enter");
    assert_eq!(screen.orders(), [Ask::Revert]);
    screen.hear(Notice::Removed {
        removals: 0,
        nodes: 0,
        device: String::new(),
    });
    assert!(screen.model.attention.removed.is_none());
}

#[test]
fn a_failed_order_says_what_to_do_and_stays_listed() {
    let mut screen = Screen::new(120, 36);
    screen.press("3 b j enter");
    let order = screen.orders().remove(0);
    let trouble = Trouble {
        what: "the server is out of reach".to_owned(),
        done: "nothing was changed".to_owned(),
        todo: "try again later".to_owned(),
    };
    screen.answer(order, Answer::Failed(trouble));
    screen.sees("try again later");
    screen.press("7");
    screen.sees("nothing was changed");
    assert!(screen.model.undo.is_none());
}

#[test]
fn a_frozen_feed_stands_still() {
    let mut screen = Screen::new(120, 36);
    screen.press("2 f");
    screen.hear(change("new.txt", 5000));
    screen.sees_not("new.txt");
    screen.sees("frozen, 1 new");
    screen.press("f");
    screen.sees("new.txt");
}

#[test]
fn the_feed_leads_to_the_tree() {
    let mut screen = Screen::new(120, 36);
    screen.press("2 enter");
    assert_eq!(screen.model.focus, Pane::Tree);
    assert_eq!(screen.model.tree_path(), Some(path("notes.md")));
}

#[test]
fn a_click_lands_on_what_is_seen() {
    let mut screen = Screen::new(120, 36);
    let seen = screen.seen();
    let find = |text: &str| {
        let (row, line) = seen
            .lines()
            .enumerate()
            .find(|(_, line)| line.contains(text))
            .expect("it is seen");
        let at = line.find(text).expect("it is in the line");
        // The picture has a quotation mark at the start of each line.
        let column = line[..at].chars().count() - 1;
        (
            u16::try_from(column).expect("few columns"),
            u16::try_from(row).expect("few rows"),
        )
    };
    let click = |screen: &mut Screen, (column, row)| {
        screen.take(Message::Mouse(Mouse {
            deed: MouseDeed::Click,
            column,
            row,
        }));
    };
    click(&mut screen, find("5 Devices"));
    assert_eq!(screen.model.focus, Pane::Devices);
    click(&mut screen, find("latest"));
    assert_eq!(
        (screen.model.focus, screen.model.tree_path()),
        (Pane::Tree, Some(path("latest")))
    );
    click(&mut screen, find("? help"));
    screen.sees("Everywhere");
}

#[test]
fn the_wheel_scrolls_what_is_under_it() {
    let mut screen = Screen::new(120, 36);
    screen.take(Message::Mouse(Mouse {
        deed: MouseDeed::WheelDown,
        column: 5,
        row: 10,
    }));
    assert_eq!(screen.model.cursor(Pane::Tree).selected, 3);
    assert_eq!(screen.model.cursor(Pane::Feed).selected, 0);
    assert!(matches!(layout::hit(&screen.model, 119, 35), Hit::Nothing));
}
