//! Checking that everything agrees: the local tree with the synced one and with the remote one, the remote one with
//! the tree that the server holds now, and the local one with every byte on the disk. What differs is named.

mod disk;

use common::message::{At, Request};
use common::offload;
use sync_engine::{Node, NodeId, Parts, Version};
use tokio::sync::oneshot;

use super::Driver;
use super::questions::{Question, give, no_tree};
use super::turn::LIMITS;
use super::views::path_of;
use crate::control::Answer;
use crate::words::path_in_words;

/// The most differences that are named.
const LINES_MAX: usize = 100;

/// A check that waits for the server's tree.
pub(super) struct Verify {
    lines: Vec<String>,
    /// What is not compared, with the reasons.
    left_out: Vec<String>,
    nodes: Parts,
    reply: oneshot::Sender<Answer>,
}

impl Verify {
    /// Returns the way back.
    #[must_use]
    pub(super) fn into_reply(self) -> oneshot::Sender<Answer> {
        self.reply
    }
}

impl Driver {
    pub(super) fn verify(&mut self, reply: oneshot::Sender<Answer>) {
        let blocked = self.session.blocked();
        let lines = self
            .trees()
            .unsettled()
            .filter(|id| !blocked.contains_key(id))
            .filter_map(|id| {
                Some(format!(
                    "'{}' is not the same here and on the server",
                    path_of(self.trees(), id)?
                ))
            })
            .collect();
        // A node may have become blocked since listeners were told last.
        let left_out = self
            .left_out(&blocked)
            .into_iter()
            .map(|(path, reason)| format!("'{}' was not compared: {reason}", path_in_words(&path)))
            .chain(self.root.private_fault())
            .collect();
        let at = At::Version(self.session.version());
        let verify = Box::new(Verify {
            lines,
            left_out,
            nodes: Parts::default(),
            reply,
        });
        self.ask_or_fail(
            |request| Request::Browse { request, at },
            Question::Verify(verify),
        );
    }

    pub(super) fn on_verified(
        &mut self,
        request: u64,
        mut verify: Box<Verify>,
        version: Version,
        nodes: Vec<(NodeId, Version, Node)>,
        last: bool,
    ) {
        if let Err(error) = verify.nodes.add(nodes, last, LIMITS.tree_len_max) {
            return give(verify.reply, no_tree(&error));
        }
        if !last {
            if let Some(connection) = &mut self.connection {
                connection.questions.insert(request, Question::Verify(verify));
            }
            return;
        }
        let Verify {
            mut lines,
            left_out,
            nodes,
            reply,
        } = *verify;
        let cursor = self.session.version();
        if version != cursor {
            lines.push(format!(
                "the server moved on to {version} while this was checked; check again"
            ));
        }
        let items = nodes.into_items();
        let n_nodes = items.len();
        for (id, item) in items {
            if self.trees().remote().item(id) != Some(&item) {
                lines.push(format!(
                    "'{}' is not on the server as this device knows it",
                    self.shown_path(id)
                ));
            }
        }
        if n_nodes != self.trees().remote().len() {
            lines.push(format!(
                "the server has {n_nodes} nodes, this device knows {}",
                self.trees().remote().len()
            ));
        }
        let (root, expected) = (self.root.clone(), self.expected_on_disk());
        tokio::spawn(async move {
            let compare = move || {
                let found = expected.compare(&root, || !reply.is_closed());
                (found, reply)
            };
            let (found, reply) = offload::run(compare).await;
            lines.extend(found.lines);
            let agreed = format!(
                "{n_nodes} nodes agree: disk ({} bytes read), local, synced and remote tree, and the server's, at \
                 {version}",
                found.n_bytes
            );
            // Who asked may have gone.
            let _ = reply.send(report(lines, left_out, agreed));
        });
    }
}

/// Makes the answer of what differs and of what was not compared, or says what agrees.
fn report(mut lines: Vec<String>, left_out: Vec<String>, agreed: String) -> Answer {
    let (sound, is_partial) = (lines.is_empty(), !left_out.is_empty());
    lines.extend(left_out);
    if LINES_MAX < lines.len() {
        let more = lines.len() - LINES_MAX;
        lines.truncate(LINES_MAX);
        lines.push(format!("and {more} more"));
    }
    if sound {
        lines.push(if is_partial {
            format!("all else agrees: {agreed}")
        } else {
            agreed
        });
    }
    Answer::Report {
        sound,
        is_partial,
        lines,
    }
}
