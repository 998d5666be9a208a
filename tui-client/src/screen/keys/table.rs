//! The keys as delivered. Order is the order in the footer and in the help.

use super::{Action, Binding, Context, Key, KeyTable};
use crate::screen::pane::Pane;

use Action as A;
use Context::{Asking, Global, Reading, Typing};

type Line = (Context, &'static str, Action, &'static str, &'static str);

const TREE: Context = Context::Pane(Pane::Tree);
const FEED: Context = Context::Pane(Pane::Feed);
const CONFLICTS: Context = Context::Pane(Pane::Conflicts);
const HISTORY: Context = Context::Pane(Pane::History);
const DEVICES: Context = Context::Pane(Pane::Devices);
const TRANSFERS: Context = Context::Pane(Pane::Transfers);
const ATTENTION: Context = Context::Pane(Pane::Attention);

/// Context, keys, action, hint, help.
const LINES: &[Line] = &[
    (
        TREE,
        "enter",
        A::Enter,
        "open",
        "Opens or closes a directory; shows a file's history",
    ),
    (
        TREE,
        "l right",
        A::Expand,
        "",
        "Opens a directory, or goes to its first entry",
    ),
    (
        TREE,
        "h left",
        A::Close,
        "",
        "Closes a directory, or goes to the one around it",
    ),
    (
        TREE,
        "space",
        A::Mark,
        "mark",
        "Marks or unmarks; y and o act on all marked",
    ),
    (
        TREE,
        "H",
        A::ShowHistory,
        "history",
        "Shows the versions of what is selected",
    ),
    (
        TREE,
        "w",
        A::Why,
        "why",
        "Tells why the selected one is in its state",
    ),
    (TREE, "y", A::Copy, "copy", "Copies the path"),
    (TREE, "o", A::Open, "", "Opens it with the desktop's program"),
    (TREE, "e", A::Edit, "edit", "Edits the file in $EDITOR"),
    (
        TREE,
        "*",
        A::ExpandAll,
        "",
        "Opens all directories inside the selected one that are known",
    ),
    (TREE, "-", A::CollapseAll, "", "Closes all directories"),
    (FEED, "enter", A::Enter, "show", "Shows it in the tree"),
    (
        FEED,
        "f",
        A::Freeze,
        "freeze",
        "Freezes the feed, or lets it run again",
    ),
    (FEED, "y", A::Copy, "copy", "Copies the path"),
    (
        FEED,
        "H",
        A::ShowHistory,
        "history",
        "Shows the versions of what is selected",
    ),
    (
        CONFLICTS,
        "enter",
        A::Resolve,
        "resolve",
        "Asks how the conflict shall end",
    ),
    (
        CONFLICTS,
        "t",
        A::KeepThis,
        "this",
        "Keeps this side, the one that has the name",
    ),
    (
        CONFLICTS,
        "T",
        A::KeepThat,
        "that",
        "Keeps that side, the conflict copy",
    ),
    (CONFLICTS, "b", A::KeepBoth, "both", "Keeps both as two files"),
    (
        CONFLICTS,
        "space",
        A::Mark,
        "mark",
        "Marks or unmarks; t, T and b act on all marked",
    ),
    (
        CONFLICTS,
        "y",
        A::Copy,
        "",
        "Copies the path of the conflict copy",
    ),
    (
        CONFLICTS,
        "o",
        A::Open,
        "",
        "Opens both sides with the desktop's programs",
    ),
    (
        CONFLICTS,
        "e",
        A::Edit,
        "",
        "Edits the side that has the name in $EDITOR",
    ),
    (
        HISTORY,
        "enter r",
        A::Restore,
        "restore",
        "Brings this version back, after asking",
    ),
    (HISTORY, "y", A::Copy, "copy", "Copies the path"),
    (DEVICES, "r", A::Rename, "rename", "Gives the device another name"),
    (
        DEVICES,
        "x",
        A::Revoke,
        "revoke",
        "Shuts the device out, after asking",
    ),
    (
        DEVICES,
        "space",
        A::Mark,
        "mark",
        "Marks or unmarks; x acts on all marked",
    ),
    (
        DEVICES,
        "I",
        A::ReplaceId,
        "new ID",
        "Gives the account another ID, after asking",
    ),
    (TRANSFERS, "enter", A::Enter, "show", "Shows it in the tree"),
    (TRANSFERS, "y", A::Copy, "copy", "Copies the path"),
    (
        ATTENTION,
        "enter",
        A::Enter,
        "act",
        "Shows what can be done: releases the brake, or shows the path in the tree",
    ),
    (
        ATTENTION,
        "c",
        A::ReleaseBrake,
        "release brake",
        "Lets it go on, or brings it back, after asking",
    ),
    (
        ATTENTION,
        "d",
        A::Dismiss,
        "dismiss",
        "Takes an error off the list",
    ),
    (ATTENTION, "y", A::Copy, "copy", "Copies what it says"),
    (Global, "j down", A::Down, "", "Goes down"),
    (Global, "k up", A::Up, "", "Goes up"),
    (Global, "ctrl-d", A::HalfPageDown, "", "Goes half a page down"),
    (Global, "ctrl-u", A::HalfPageUp, "", "Goes half a page up"),
    (Global, "pgdn ctrl-f", A::PageDown, "", "Goes a page down"),
    (Global, "pgup ctrl-b", A::PageUp, "", "Goes a page up"),
    (Global, "g home", A::Top, "", "Goes to the first"),
    (Global, "G end", A::Bottom, "", "Goes to the last"),
    (Global, "tab", A::NextPane, "next", "Goes to the next pane"),
    (Global, "backtab", A::PreviousPane, "", "Goes to the pane before"),
    (Global, "1", A::GoTo(1), "", "Goes to the folder"),
    (Global, "2", A::GoTo(2), "", "Goes to the feed"),
    (Global, "3", A::GoTo(3), "", "Goes to the conflicts"),
    (Global, "4", A::GoTo(4), "", "Goes to the history"),
    (Global, "5", A::GoTo(5), "", "Goes to the devices"),
    (Global, "6", A::GoTo(6), "", "Goes to the transfers"),
    (Global, "7", A::GoTo(7), "", "Goes to what needs attention"),
    (
        Global,
        "+",
        A::Zoom,
        "zoom",
        "Gives the pane the whole screen, or takes it back",
    ),
    (Global, "/", A::Filter, "filter", "Filters the list as you type"),
    (
        Global,
        "n",
        A::NextMatch,
        "",
        "Goes to the next match of the filter",
    ),
    (Global, "N", A::PreviousMatch, "", "Goes to the match before"),
    (
        Global,
        "a",
        A::Account,
        "account",
        "Shows the ID, the pairing link and its QR code",
    ),
    (Global, "i", A::Mask, "", "Hides the ID, or shows it"),
    (Global, "L", A::CopyLink, "", "Copies the pairing link"),
    (Global, "Y", A::CopyId, "", "Copies the ID"),
    (
        Global,
        "R",
        A::Rescan,
        "",
        "Looks at the whole folder and the server anew",
    ),
    (
        Global,
        "V",
        A::Verify,
        "",
        "Checks that disk, store and server agree",
    ),
    (
        Global,
        "z",
        A::Undo,
        "",
        "Undoes the last thing done here, after asking",
    ),
    (Global, "esc", A::Back, "", "Goes back: ends filter, marks, zoom"),
    (Global, ":", A::Palette, "all", "Finds any of these by name"),
    (Global, "?", A::Help, "help", "Shows all keys"),
    (Global, "q ctrl-c", A::Quit, "quit", "Leaves the screen"),
    (Reading, "j down", A::Down, "", "Goes down"),
    (Reading, "k up", A::Up, "", "Goes up"),
    (Reading, "pgdn ctrl-d ctrl-f", A::PageDown, "", "Goes a page down"),
    (Reading, "pgup ctrl-u ctrl-b", A::PageUp, "", "Goes a page up"),
    (Reading, "g home", A::Top, "", "Goes to the first line"),
    (Reading, "G end", A::Bottom, "", "Goes to the last line"),
    (Reading, "y", A::Copy, "copy", "Copies the link, or what is shown"),
    (Reading, "Y", A::CopyId, "", "Copies the ID"),
    (Reading, "i", A::Mask, "hide", "Hides the ID, or shows it"),
    (Reading, "esc q enter", A::Back, "close", "Closes the window"),
    (Reading, "ctrl-c", A::Quit, "", "Leaves the screen"),
    (
        Asking,
        "tab l j right down",
        A::NextPane,
        "next",
        "Goes to the next answer",
    ),
    (
        Asking,
        "backtab h k left up",
        A::PreviousPane,
        "",
        "Goes to the answer before",
    ),
    (Asking, "enter", A::Enter, "choose", "Takes the marked answer"),
    (Asking, "esc q n", A::Back, "cancel", "Changes nothing"),
    (Asking, "ctrl-c", A::Quit, "", "Leaves the screen"),
    (Typing, "enter", A::Enter, "take", "Takes what is typed"),
    (Typing, "down ctrl-n tab", A::Down, "", "Goes down"),
    (Typing, "up ctrl-p backtab", A::Up, "", "Goes up"),
    (Typing, "esc", A::Back, "cancel", "Forgets what is typed"),
    (Typing, "ctrl-c", A::Quit, "", "Leaves the screen"),
];

impl Default for KeyTable {
    fn default() -> Self {
        let bindings = LINES
            .iter()
            .map(|(context, keys, action, hint, help)| Binding {
                context: *context,
                keys: keys
                    .split(' ')
                    .map(|key| Key::parse(key).expect("the table holds only keys, as its test tells"))
                    .collect(),
                action: *action,
                hint,
                help,
            })
            .collect();
        Self { bindings }
    }
}
