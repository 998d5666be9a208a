//! Answers to questions that need nothing but what this device knows, and orders to it.

use std::time::Duration;

use sync_engine::session::WaiterId;
use sync_engine::{Block, DeviceId, NodeId, RelPath};
use tokio::sync::oneshot;

use super::views::{self, Facts, node_at, path_of};
use super::{Asked, Driver, bursts};
use crate::config::ConfigError;
use crate::control::{Answer, Ask, State as StateWord, Status};
use crate::disk::Sight;
use crate::fault::Exit;
use crate::notice::Trouble;
use crate::words::{block_in_words, id_replaced_in_words, nothing_there_in_words, private_fault_in_words};

/// How long `status` waits for the proof that nothing was written before the question that is not on the server. After that
/// it says that it does not know.
const STATUS_PATIENCE: Duration = Duration::from_secs(5);

/// Somebody who is answered after a probe, or when his time is over.
pub(super) enum Waiting {
    /// He waits until all is synced.
    ForSynced(oneshot::Sender<Answer>),
    /// He wants to know whether all is synced.
    ForStatus(oneshot::Sender<Answer>),
}

impl Driver {
    pub(super) fn on_asked(&mut self, (ask, reply): Asked) {
        let answer = match ask {
            Ask::Status => return self.ask_status(reply),
            Ask::Wait { timeout_ms } => return self.wait(timeout_ms, reply),
            Ask::Identity => return self.ask_identity(reply),
            Ask::List { dir } => Answer::List(self.list(dir)),
            Ask::Conflicts => {
                Answer::Conflicts(views::conflicts(self.trees(), |device| self.name_of(device)))
            }
            Ask::Why { path } => self.why(&path),
            Ask::Confirm => {
                self.session.confirm_removals();
                self.forget_bursts();
                Answer::Done
            }
            Ask::Revert => return self.revert(reply),
            Ask::Rescan => {
                self.observer.rescan();
                self.control.hurry();
                self.session.disturb();
                Answer::Done
            }
            Ask::Stop => {
                self.stop.cancel();
                Answer::Done
            }
            Ask::Listen | Ask::GiveWay => Answer::Failed(Trouble {
                what: "that is answered by the socket alone".into(),
                done: "nothing was done".into(),
                todo: "ask through the socket".into(),
            }),
            other @ (Ask::Log { .. }
            | Ask::History { .. }
            | Ask::Restore { .. }
            | Ask::Resolve { .. }
            | Ask::Devices
            | Ask::RenameDevice { .. }
            | Ask::RevokeDevice { .. }
            | Ask::ReplaceId
            | Ask::Verify) => return self.ask_server(other, reply),
        };
        // Who asked may have gone.
        let _ = reply.send(answer);
    }

    fn wait(&mut self, timeout_ms: Option<u64>, reply: oneshot::Sender<Answer>) {
        if self.trouble.is_some() {
            // Waiting would not help.
            let _ = reply.send(Answer::TimedOut(self.status(self.state_word())));
            return;
        }
        self.control.hurry();
        self.wait_after_look(timeout_ms, reply);
    }

    /// Enters somebody who waits for 'synced'.
    pub(super) fn wait_for_synced(&mut self, timeout_ms: Option<u64>, reply: oneshot::Sender<Answer>) {
        let now = self.now();
        let deadline = timeout_ms.map(|ms| now + Duration::from_millis(ms));
        let waiter = self.session.wait(deadline);
        self.waiters.insert(waiter, Waiting::ForSynced(reply));
    }

    /// Says how things stand. That all is synced is said only after a probe that began after the question, since what was
    /// written just before it may not have been reported yet.
    fn ask_status(&mut self, reply: oneshot::Sender<Answer>) {
        let state = self.state_word();
        // What cannot be done is tried again from time to time; all else may be proven to be synced meanwhile.
        let may_be_synced = match state {
            StateWord::Synced => true,
            StateWord::Syncing => {
                self.observer.idle() && self.session.n_pending(&self.session.blocked()) == 0
            }
            StateWord::Offline | StateWord::Halted | StateWord::Error => false,
        };
        if !may_be_synced {
            let _ = reply.send(Answer::Status(self.status(state)));
            return;
        }
        let deadline = self.now() + STATUS_PATIENCE;
        let waiter = self.session.wait(Some(deadline));
        self.waiters.insert(waiter, Waiting::ForStatus(reply));
    }

    /// Answers somebody whose question a probe has answered; he may have gone.
    pub(super) fn answer_synced(&mut self, waiter: WaiterId) {
        let status = self.status(self.state_as_of(true, true));
        if let Some(Waiting::ForSynced(reply) | Waiting::ForStatus(reply)) = self.waiters.remove(&waiter) {
            let _ = reply.send(Answer::Status(status));
        }
    }

    /// Answers somebody whose time is over: whatever was proven was proven before he asked. He may have gone.
    pub(super) fn answer_overdue(&mut self, waiter: WaiterId) {
        let status = self.status(self.state_as_of(self.observer.idle(), false));
        let _ = match self.waiters.remove(&waiter) {
            Some(Waiting::ForSynced(reply)) => reply.send(Answer::TimedOut(status)),
            Some(Waiting::ForStatus(reply)) => reply.send(Answer::Status(status)),
            None => Ok(()),
        };
    }

    /// How things stand, in this word.
    pub(super) fn status(&self, state: StateWord) -> Status {
        let blocked = self.session.blocked();
        Status {
            state,
            version: self.session.version(),
            pending: self.session.n_pending(&blocked),
            // Not what listeners were told: that may be of the turn before.
            blocked: self.left_out(&blocked).into_iter().collect(),
            conflicts: views::conflict_nodes(self.trees()).len() as u64,
            nodes: self.trees().local().len() as u64,
            device: self.account.device_name.clone(),
            device_id: self.account.device,
            server: self.endpoint.address.to_string(),
            connected: self.connection.as_ref().is_some_and(|line| !line.is_silent),
            protected_ms: if state == StateWord::Synced {
                Some(self.now_ms())
            } else {
                self.protected_ms
            },
            trouble: self.trouble.as_ref().map(|(_, trouble)| trouble.clone()),
            brake: self
                .session
                .brake()
                .map(|brake| (brake.removals as u64, brake.nodes as u64)),
            removed: bursts::figures(&self.bursts),
            warnings: self.warnings(),
        }
    }

    /// What is wrong for now, although the client goes on.
    pub(super) fn warnings(&self) -> Vec<Trouble> {
        let mut warnings = self.observer.degraded();
        let fault = self.root.private_fault();
        warnings.extend(fault.as_deref().map(private_fault_in_words));
        warnings.extend(self.account.is_id_replaced.then(id_replaced_in_words));
        warnings
    }

    fn list(&self, dir: Option<NodeId>) -> Vec<crate::control::ListItem> {
        let blocked = self.session.blocked();
        let facts = Facts {
            uploading: self.session.uploading(),
            downloading: &self.downloading,
            blocked: &blocked,
        };
        views::list(self.trees(), &facts, dir.unwrap_or(NodeId::ROOT))
    }

    fn why(&self, path: &RelPath) -> Answer {
        if let Some(block) = self.observer.oddities().get(path) {
            return Answer::Report {
                sound: false,
                is_partial: false,
                lines: vec![format!("{path}: {}", block_in_words(block))],
            };
        }
        let Some(id) = node_at(self.trees(), path) else {
            return self.why_no_node(path);
        };
        let mut lines = Vec::new();
        let blocked = self.session.blocked();
        if let Some(block) = blocked.get(&id) {
            lines.push(format!("blocked: {}", block_in_words(block)));
        }
        let (local, remote) = (self.trees().local().node(id), self.trees().remote().node(id));
        match (local, remote) {
            (Some(_), None) => lines.push("it is here and not yet on the server".into()),
            (None, Some(_)) => lines.push("it is on the server and not here".into()),
            (Some(local), Some(remote)) if local != remote => {
                lines.push("it is different here and on the server".into());
            }
            (Some(_), Some(_)) => lines.push("it is the same here and on the server".into()),
            (None, None) => (),
        }
        if self.session.uploading().contains(&id) {
            lines.push("it is on its way to the server".into());
        }
        if self.downloading.contains(&id) {
            lines.push("it is on its way here".into());
        }
        if self.connection.is_none() {
            lines.push("the server is out of reach; it goes on by itself when the server is back".into());
        }
        if let Some((_, trouble)) = &self.trouble {
            lines.push(trouble.to_string());
        }
        let sound = !blocked.contains_key(&id) && !self.trees().is_unsettled(id);
        Answer::Report {
            sound,
            is_partial: false,
            lines,
        }
    }

    /// Tells why what is at a path is neither here as a node nor on the server.
    fn why_no_node(&self, path: &RelPath) -> Answer {
        let sight = self.root.look(path);
        let above = (1..path.0.len()).map(|len| RelPath(path.0[..len].to_vec()));
        let odd_above = || {
            above
                .filter_map(|above| Some((self.observer.oddities().get(&above)?, above)))
                .last()
        };
        let line = match (
            &sight,
            self.observer.rule_against(path, matches!(sight, Sight::Dir(_))),
        ) {
            (Sight::Absent, _) => {
                return Answer::Failed(nothing_there_in_words(&path.to_string()));
            }
            (_, Some(rule)) => format!("it is not synchronised: {rule}"),
            (Sight::Unknown(block), None) => format!("it is not synchronised: {}", block_in_words(block)),
            (Sight::Other(_), None) => {
                format!(
                    "it is not synchronised: {}",
                    block_in_words(&Block::UnsupportedType)
                )
            }
            (Sight::File(_) | Sight::Dir(_) | Sight::Symlink(..), None) => match odd_above() {
                Some((block, above)) => {
                    format!(
                        "it is not synchronised, for '{above}' is not: {}",
                        block_in_words(block)
                    )
                }
                None => "it is here, and this device has not looked at it yet".to_owned(),
            },
        };
        Answer::Report {
            sound: false,
            is_partial: false,
            lines: vec![line],
        }
    }

    /// The name of a device, or the beginning of its id while the name is not known.
    pub(super) fn name_of(&self, device: DeviceId) -> String {
        self.device_names
            .get(&device)
            .cloned()
            .unwrap_or_else(|| device.to_string()[..8].to_owned())
    }

    pub(super) fn on_config_failed(&mut self, error: &ConfigError) {
        self.fatal(
            Trouble {
                what: format!("the account's settings could not be saved: {error}"),
                done: "the client has stopped syncing, so that the account is not lost by it".into(),
                todo: "make the configuration directory writable and start the client again".into(),
            },
            Exit::Failed,
        );
    }

    /// Whether a node is one of those that a person would look for at a path.
    pub(super) fn remote_at(&self, path: &RelPath) -> Option<NodeId> {
        self.trees().remote().lookup(path).or_else(|| {
            self.trees()
                .local()
                .lookup(path)
                .filter(|id| self.trees().remote().node(*id).is_some())
        })
    }

    /// The path of a node for a person.
    pub(super) fn shown_path(&self, id: NodeId) -> RelPath {
        path_of(self.trees(), id).unwrap_or_default()
    }
}
