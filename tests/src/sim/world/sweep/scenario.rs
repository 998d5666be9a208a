//! What happens in each run of the sweep: two people who work on one folder, with all that takes more than one effect.

use crate::sim::person::Deed;

/// Something that happens.
#[derive(Debug)]
pub(super) enum Scene {
    /// Somebody does something on a device.
    Do(u8, Deed),
    /// Time passes, in milliseconds.
    Pass(u64),
    /// A device's line goes down.
    Part(u8),
    /// A device's line is fair again.
    Join(u8),
}

/// Enough for a change to reach the other device, and for little else.
const A_MOMENT: Scene = Scene::Pass(150);
/// Enough for a device to find its server again, and for all to come to rest.
const A_WHILE: Scene = Scene::Pass(4_000);

/// Returns the scenes in their order.
pub(super) fn scenario() -> Vec<Scene> {
    [beginning(), moves(), conflicts(), removals()]
        .into_iter()
        .flatten()
        .collect()
}

fn home(path: &str) -> String {
    format!("home/{path}")
}

fn one(device: u8, deed: fn(String) -> Deed, path: &str) -> Scene {
    Scene::Do(device, deed(home(path)))
}

fn two(device: u8, deed: fn(String, String) -> Deed, from: &str, to: &str) -> Scene {
    Scene::Do(device, deed(home(from), home(to)))
}

fn beginning() -> Vec<Scene> {
    vec![
        one(0, Deed::Write, "a"),
        one(0, Deed::MakeDeep, "tree"),
        one(0, Deed::WriteMuch, "large"),
        A_MOMENT,
        one(1, Deed::Write, "b"),
        one(1, Deed::Link, "link"),
        A_WHILE,
        one(1, Deed::Write, "a"),
        one(1, Deed::Save, "tree/b/c/deep"),
        one(0, Deed::SaveAndKeepOld, "b"),
        one(0, Deed::Execute, "a"),
        A_WHILE,
    ]
}

fn moves() -> Vec<Scene> {
    vec![
        two(0, Deed::Move, "tree/b", "moved"),
        one(1, Deed::Write, "tree/b/new"),
        A_MOMENT,
        two(0, Deed::Swap, "a", "b"),
        one(1, Deed::Append, "large"),
        A_WHILE,
        two(1, Deed::Move, "moved", "tree/again"),
        two(0, Deed::Copy, "large", "copy"),
        two(0, Deed::MoveOver, "b~", "b"),
        A_WHILE,
    ]
}

fn conflicts() -> Vec<Scene> {
    vec![
        Scene::Part(1),
        one(0, Deed::Write, "a"),
        one(1, Deed::Save, "a"),
        one(0, Deed::Write, "same name"),
        one(1, Deed::MakeDir, "same name"),
        one(1, Deed::Write, "same name/inside"),
        two(0, Deed::Move, "large", "tree/large"),
        one(1, Deed::Append, "large"),
        A_MOMENT,
        Scene::Join(1),
        A_WHILE,
        A_WHILE,
    ]
}

fn removals() -> Vec<Scene> {
    vec![
        Scene::Part(0),
        one(1, Deed::DeleteAll, "tree"),
        one(0, Deed::Write, "tree/kept"),
        one(0, Deed::Delete, "b"),
        one(1, Deed::Write, "b"),
        A_MOMENT,
        Scene::Join(0),
        A_WHILE,
        one(0, Deed::Delete, "a"),
        one(0, Deed::RewriteUnseen, "copy"),
        one(1, Deed::Delete, "link"),
        A_WHILE,
        A_WHILE,
    ]
}
