//! The questions of the first start as one value: what is known, what is asked, what is wrong with the answer.

use std::path::{Path, PathBuf};

use common::fingerprint::Fingerprint;
use common::identity::AccountId;
use common::link::{PairingLink, ServerAddress};

use super::{Join, Prefill, Setup};
use crate::notice::Trouble;
use crate::screen::input::Input;

/// The form.
pub(super) struct Form {
    /// The question.
    pub stage: Stage,
    /// What is typed.
    pub input: Input,
    /// The marked answer, of a question with several.
    pub selected: usize,
    /// What is wrong.
    pub complaint: Option<String>,
    /// The server.
    pub server: Option<ServerAddress>,
    /// The folder.
    pub folder: Option<PathBuf>,
    /// Which account.
    pub join: Option<Join>,
    /// The fingerprint that is known to be right.
    pub expected: Option<Fingerprint>,
    /// The fingerprint that the server showed.
    pub found: Option<Fingerprint>,
}

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Where the server is.
    Server,
    /// Which folder.
    Folder,
    /// A new account, or one that there is.
    NewOrJoin,
    /// The account's ID.
    Id,
    /// The server is being reached.
    Reaching,
    /// Whether the fingerprint is the right one.
    Compare,
    /// The fingerprint is not the one that is known to be right.
    Refused,
}

/// What follows from an answer.
pub(super) enum Outcome {
    /// The next question.
    Stay,
    /// The server is to be reached.
    Probe(ServerAddress),
    /// All is known.
    Done(Setup),
    /// The person leaves.
    Leave,
}

/// The answers of a question that is not typed; the first is marked at first.
pub(super) fn answers(stage: Stage) -> &'static [&'static str] {
    match stage {
        Stage::NewOrJoin => &[
            "Start a new account with this folder",
            "Join an account that I have the ID or link of",
        ],
        Stage::Compare => &["No, leave", "Yes, it is the same: trust this server"],
        Stage::Refused => &["Leave"],
        Stage::Server | Stage::Folder | Stage::Id | Stage::Reaching => &[],
    }
}

impl Form {
    /// Starts with what is known; what is wrong with it is asked again.
    pub(super) fn new(prefill: Prefill) -> Self {
        let mut form = Self {
            stage: Stage::Server,
            input: Input::default(),
            selected: 0,
            complaint: None,
            server: None,
            folder: prefill.folder,
            join: prefill.new.then_some(Join::New),
            expected: prefill.fingerprint,
            found: None,
        };
        let mut failed = None;
        if let Some(server) = prefill.server
            && !form.take_server(&server)
        {
            failed = Some((Stage::Server, server, form.complaint.take()));
        }
        if let Some(id) = prefill.id
            && !form.take_id(&id)
        {
            failed = failed.or(Some((Stage::Id, id, form.complaint.take())));
        }
        match failed {
            Some((stage, text, complaint)) => {
                form.ask(stage);
                form.input = Input::new(&text);
                form.complaint = complaint;
            }
            None => form.stage = Stage::Reaching,
        }
        form
    }

    /// Goes to the first question without an answer. To be called once at the start and after each answer.
    pub(super) fn go_on(&mut self) -> Outcome {
        let missing = match (&self.server, &self.folder, &self.join) {
            (None, _, _) => Stage::Server,
            (_, None, _) => Stage::Folder,
            (_, _, None) => Stage::NewOrJoin,
            (Some(server), Some(_), Some(_)) => {
                let server = server.clone();
                self.ask(Stage::Reaching);
                return Outcome::Probe(server);
            }
        };
        if self.complaint.is_none() {
            self.ask(missing);
        }
        Outcome::Stay
    }

    fn ask(&mut self, stage: Stage) {
        self.stage = stage;
        self.input = Input::default();
        self.selected = 0;
        self.complaint = None;
    }

    /// Takes the server's answer in.
    pub(super) fn probed(&mut self, result: Result<Fingerprint, Trouble>) -> Outcome {
        let found = match result {
            Ok(found) => found,
            Err(trouble) => {
                let was = self.server.take();
                self.ask(Stage::Server);
                self.input = Input::new(&was.map_or_else(String::new, |server| server.to_string()));
                self.complaint = Some(format!("{}: {}", trouble.what, trouble.todo));
                return Outcome::Stay;
            }
        };
        self.found = Some(found);
        match self.expected {
            Some(expected) if expected == found => self.done(found),
            Some(_) => {
                self.ask(Stage::Refused);
                Outcome::Stay
            }
            None => {
                self.ask(Stage::Compare);
                Outcome::Stay
            }
        }
    }

    fn done(&mut self, fingerprint: Fingerprint) -> Outcome {
        match (self.server.take(), self.folder.take(), self.join.take()) {
            (Some(server), Some(folder), Some(join)) => Outcome::Done(Setup {
                server,
                folder,
                join,
                fingerprint,
            }),
            _ => Outcome::Leave,
        }
    }

    /// Takes what is typed or marked.
    pub(super) fn enter(&mut self, home: Option<&Path>) -> Outcome {
        let text = self.input.text().trim().to_owned();
        let taken = match self.stage {
            Stage::Server => self.take_server(&text),
            Stage::Folder => self.take_folder(&text, home),
            Stage::NewOrJoin if self.selected == 0 => {
                self.join = Some(Join::New);
                true
            }
            Stage::NewOrJoin => {
                self.ask(Stage::Id);
                false
            }
            Stage::Id => self.take_id(&text),
            Stage::Compare => {
                return match self.found {
                    Some(found) if self.selected == 1 => self.done(found),
                    _ => Outcome::Leave,
                };
            }
            Stage::Refused => return Outcome::Leave,
            Stage::Reaching => false,
        };
        if taken {
            self.complaint = None;
            return self.go_on();
        }
        Outcome::Stay
    }

    /// Goes back by one question; from the first it leaves.
    pub(super) fn back(&mut self) -> Outcome {
        match self.stage {
            Stage::Server => return Outcome::Leave,
            Stage::Folder => {
                let was = self.server.take();
                self.ask(Stage::Server);
                self.input = Input::new(&was.map_or_else(String::new, |server| server.to_string()));
            }
            Stage::NewOrJoin => {
                let was = self.folder.take();
                self.ask(Stage::Folder);
                self.input = Input::new(&was.map_or_else(String::new, |folder| folder.display().to_string()));
            }
            Stage::Id | Stage::Reaching | Stage::Compare | Stage::Refused => {
                self.join = None;
                self.expected = None;
                self.ask(Stage::NewOrJoin);
            }
        }
        Outcome::Stay
    }

    /// Marks the next answer, or the one before.
    pub(super) fn turn(&mut self, back: bool) {
        let n = answers(self.stage).len().max(1);
        self.selected = (self.selected + if back { n - 1 } else { 1 }) % n;
    }

    fn take_server(&mut self, text: &str) -> bool {
        if PairingLink::is_meant_by(text) {
            return self.take_link(text);
        }
        match text.parse() {
            Ok(server) => {
                self.server = Some(server);
                true
            }
            Err(error) => self.complain(&format!("{error}")),
        }
    }

    fn take_id(&mut self, text: &str) -> bool {
        if PairingLink::is_meant_by(text) {
            return self.take_link(text);
        }
        match text.parse::<AccountId>() {
            Ok(id) => {
                self.join = Some(Join::Join(id));
                true
            }
            Err(error) => self.complain(&format!("{error}")),
        }
    }

    fn take_link(&mut self, text: &str) -> bool {
        match text.parse::<PairingLink>() {
            Ok(link) => {
                self.server = Some(link.server);
                self.join = Some(Join::Join(link.id));
                self.expected = Some(link.fingerprint);
                true
            }
            Err(error) => self.complain(&format!("{error}")),
        }
    }

    fn take_folder(&mut self, text: &str, home: Option<&Path>) -> bool {
        if text.is_empty() {
            return self.complain("a folder is needed");
        }
        let path = match (text.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(text),
        };
        match std::path::absolute(&path) {
            Ok(path) => {
                self.folder = Some(path);
                true
            }
            Err(_) => self.complain("that is not a path of this computer"),
        }
    }

    fn complain(&mut self, complaint: &str) -> bool {
        self.complaint = Some(complaint.to_owned());
        false
    }
}
