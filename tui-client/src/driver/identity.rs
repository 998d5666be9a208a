//! The account's ID, as this device knows it. Another device may have replaced it; the server has only its hash and tells
//! nobody the new one. So it is asked whether the one that is known is still the account's, once after the start and
//! before it is shown: an ID that admits nobody is not handed out. The server is told the hash alone.

use common::identity::AccountId;
use common::limits::unless_simulated;
use common::message::{Failure, Reply, Request};
use tokio::sync::oneshot;

use super::Driver;
use super::questions::Question;
use crate::control::{Answer, Identity};
use crate::notice::{Notice, Trouble};
use crate::words::id_replaced_in_words;

/// Somebody who waits for the ID.
type Asker = oneshot::Sender<Answer>;

impl Driver {
    /// Asks the server, once in a run, whether the ID is still the account's, unless the device was admitted by it just now.
    pub(super) fn check_id_once(&mut self, was_enrolled: bool) {
        let is_checked = std::mem::replace(&mut self.is_id_checked, true);
        // In a simulation nobody replaces one.
        if was_enrolled && !is_checked && unless_simulated(1, 0) != 0 {
            self.check_id(None);
        }
    }

    /// Answers with the ID, once it is known to be the account's as far as the server can be asked.
    pub(super) fn ask_identity(&mut self, reply: Asker) {
        self.check_id(Some(reply));
    }

    fn check_id(&mut self, asker: Option<Asker>) {
        let account = &self.account;
        let is_known = account.device.is_some() && !account.is_id_replaced;
        let Some(id) = account.id.clone().filter(|_| is_known) else {
            return self.answer_identity(asker);
        };
        let hash = id.hash();
        let asked = self.question(
            |request| Request::CheckId { request, hash },
            Question::CheckId(Box::new(id), asker),
        );
        // Without a line to the server what is known is all that there is.
        if let Err(Question::CheckId(_, asker)) = asked.map_err(|question| *question) {
            self.answer_identity(asker);
        }
    }

    /// Enters what the server said of an ID.
    pub(super) fn on_id_checked(&mut self, id: &AccountId, asker: Option<Asker>, reply: &Reply) {
        let is_refused = matches!(
            reply,
            Reply::Failed {
                failure: Failure::NotFound,
                ..
            }
        );
        if is_refused && self.account.id.as_ref() == Some(id) && !self.account.is_id_replaced {
            self.account.is_id_replaced = true;
            if let Err(error) = self.save_account() {
                self.on_config_failed(&error);
            }
            self.tell_account(false);
            self.tell(Notice::Error(id_replaced_in_words()));
        }
        self.answer_identity(asker);
    }

    /// Answers with the ID as far as it is known.
    pub(super) fn answer_identity(&self, asker: Option<Asker>) {
        if let Some(asker) = asker {
            // Who asked may have gone.
            let _ = asker.send(self.identity());
        }
    }

    fn identity(&self) -> Answer {
        match (self.account.id.as_ref(), self.account.pairing_link()) {
            _ if self.account.is_id_replaced => Answer::Failed(id_replaced_in_words()),
            (Some(id), Some(link)) => Answer::Identity(Identity {
                id: id.reveal().to_string(),
                link: link.reveal().to_string(),
            }),
            (Some(_) | None, _) => Answer::Failed(Trouble {
                what: "this folder has no account yet".into(),
                done: "the client is still trying to reach the server".into(),
                todo: "try again when it is connected".into(),
            }),
        }
    }

    /// Tells which account this is. The ID itself is told when the account `is_made`, and on order only from then on; of one
    /// that was replaced not even its short name.
    pub(super) fn tell_account(&self, is_made: bool) {
        if let Some(id) = self.account.id.as_ref() {
            let is_replaced = self.account.is_id_replaced;
            self.tell(Notice::Account {
                id: is_made.then(|| id.reveal().to_string()),
                handle: if is_replaced { String::new() } else { id.handle() },
                device: self.account.device_name.clone(),
                server: self.endpoint.address.to_string(),
                fingerprint: self
                    .account
                    .fingerprint
                    .map(|fingerprint| fingerprint.to_string())
                    .unwrap_or_default(),
            });
        }
    }
}
