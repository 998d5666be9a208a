//! A server that does not admit this device any more: it was put back to an older store, or this folder's state is a copy of
//! another device's.

use std::sync::Arc;

use common::identity::AccountId;
use common::message::{Auth, Refusal, Request};
use sync_engine::{Generation, Generations};
use tokio::sync::oneshot;

use super::Driver;
use super::questions::Question;
use crate::config::ConfigError;
use crate::net::control::{Patience, Presence};
use crate::net::{ConnectError, Control};
use crate::notice::{Notice, Trouble};

/// By what the server tells this device from a copy of it.
#[derive(Debug)]
pub(super) struct Standing {
    /// The generation that the server knows.
    pub(super) generation: Generation,
    /// All that this device has begun.
    pub(super) begun: Generations,
    /// Whether the server was put back, and has this device as it was.
    is_returning: bool,
}

impl Standing {
    /// What is known at the start. A memory of before they were kept has the newest generation alone.
    pub(super) fn new(generation: Generation, mut begun: Generations) -> Self {
        begun.enter(generation);
        Self {
            generation,
            begun,
            is_returning: false,
        }
    }

    /// Notes the generation that a connection began.
    pub(super) fn begin(&mut self, generation: Generation) {
        self.generation = generation;
        self.begun.enter(generation);
    }
}

impl Driver {
    /// No further try makes sense. What can be done is done, and else it is told.
    pub(super) async fn on_not_admitted(&mut self, error: &ConnectError) {
        if let ConnectError::Refused(Refusal::Begun { generation }) = error
            && let Some(begun) = self.standing.begun.begun(generation)
            && begun != self.standing.generation
        {
            return self.go_on_from(begun).await;
        }
        let id = self.account.id.clone();
        match (error, id) {
            (ConnectError::Refused(Refusal::Cloned | Refusal::Begun { .. }), Some(id)) => {
                match self.become_another_device(id) {
                    Ok(()) => return,
                    Err(error) => self.on_config_failed(&error),
                }
            }
            // A server that was put back may not know the device any more. One that was revoked it does not admit again.
            (ConnectError::Refused(Refusal::NotAdmitted), Some(id)) if self.account.device.is_some() => {
                self.account.device = None;
                return self.enrol_again(id);
            }
            _ => (),
        }
        self.fatal(error.trouble(&self.endpoint.address), error.exit());
    }

    /// The server was put back to an older store, which has this device as it was when it had begun a generation: it goes on
    /// from there. That is kept first, so that it holds however often the answer is lost.
    async fn go_on_from(&mut self, generation: Generation) {
        tracing::info!(
            "the server was put back to an older store; this device goes on as the one that it is"
        );
        self.standing.is_returning = true;
        self.standing.generation = generation;
        self.save_durably().await;
        let auth = Auth::Device;
        let presence = Presence { auth, generation };
        self.control = Control::start(self.endpoint.clone(), presence, Patience::Endless);
    }

    /// The server says that this folder's state is a copy, and it is, or was put back to an older one: the folder joins the
    /// account as a new device. What was known is no base any more unless the server was put back too: both sides are
    /// united, and nothing is deleted.
    fn become_another_device(&mut self, id: AccountId) -> Result<(), ConfigError> {
        let certificate = self.config.renew_device_certificate(self.folder_id)?;
        self.endpoint.certificate = Arc::new(certificate);
        self.account.device = None;
        self.save_account()?;
        self.session.doubt();
        self.enrol_again(id);
        self.tell(Notice::Error(Trouble {
            what: "this folder's state is a copy of another device's, or was put back to an older one".into(),
            done: "the folder joins the account as a new device; nothing is deleted".into(),
            todo: "nothing; look at the conflicts afterwards".into(),
        }));
        Ok(())
    }

    /// Asks for admission as a device that the server does not know yet.
    fn enrol_again(&mut self, id: AccountId) {
        self.standing.generation = [0; 16];
        let presence = Presence {
            auth: Auth::Enrol {
                id,
                device_name: self.account.device_name.clone(),
            },
            generation: self.standing.generation,
        };
        self.control = Control::start(self.endpoint.clone(), presence, Patience::Endless);
    }

    /// A server that was put back has this device under the name that it had then. It keeps the one that it has.
    pub(super) fn keep_name(&mut self, name: &str) {
        if !std::mem::take(&mut self.standing.is_returning) || self.account.device_name == name {
            return;
        }
        let Some(device) = self.account.device else { return };
        let name = name.to_owned();
        // Nobody waits for the answer; the names are asked for when it comes.
        let (done, _) = oneshot::channel();
        let rename = |request| Request::RenameDevice {
            request,
            device,
            name,
        };
        // Without a line it keeps the name that the server has.
        let _ = self.question(rename, Question::Order(done));
    }
}
