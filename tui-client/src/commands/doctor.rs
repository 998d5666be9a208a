//! `doctor`: looks at what a folder needs on this computer, and tells what is wrong, line by line.

use std::sync::Arc;

use common::certificate::Certificate;

use super::{Surroundings, Target};
use crate::config::Account;
use crate::control::{Answer, Ask};
use crate::fault::chain;
use crate::net::connect::probe;
use crate::net::{Endpoint, ServerKey, TlsDial, Voucher};
use crate::socket::{Socket, SocketError};
use crate::state::{STATE_NAME, State};

/// Looks, changes nothing, and never fails: what cannot be looked at is what it tells.
pub(super) async fn look(target: &Target, surroundings: &Surroundings) -> Answer {
    let mut report = Report::default();
    let account = account(target, surroundings);
    report.note(
        "configuration",
        account.as_ref().map(in_words).map_err(String::clone),
    );
    report.note("memory", memory(target));
    report.note("folder", folder(target));
    if let Ok(account) = &account
        && account.device.is_some()
    {
        let key = surroundings.config.kept_certificate(target.folder);
        let sound = key.as_ref().map(|_| "sound, and nobody else's".to_owned());
        report.note("key", sound.map_err(|error| chain(error)));
        if let Ok(certificate) = key {
            report.note("server", server(account, certificate).await);
        }
    }
    report.note("client", client(target).await);
    Answer::Report {
        sound: report.sound,
        is_partial: false,
        lines: report.lines,
    }
}

struct Report {
    sound: bool,
    lines: Vec<String>,
}

impl Default for Report {
    fn default() -> Self {
        let lines = Vec::new();
        Self { sound: true, lines }
    }
}

impl Report {
    fn note(&mut self, what: &str, found: Result<String, String>) {
        let (verdict, text) = match found {
            Ok(text) => ("ok", text),
            Err(text) => {
                self.sound = false;
                ("WRONG", text)
            }
        };
        self.lines.push(format!("{what:<14} {verdict:<6} {text}"));
    }
}

fn account(target: &Target, surroundings: &Surroundings) -> Result<Account, String> {
    let account = surroundings
        .config
        .account(target.folder)
        .map_err(|error| chain(&error))?;
    account.ok_or_else(|| "the folder belongs to no account of yours".to_owned())
}

fn in_words(account: &Account) -> String {
    let enrolled = if account.device.is_some() {
        "enrolled"
    } else {
        "not yet enrolled"
    };
    let device = sync_engine::name::visible(&account.device_name);
    let server = account
        .server
        .as_ref()
        .map_or_else(|| "has never answered".to_owned(), ToString::to_string);
    format!("server {server}, device {device}, {enrolled}")
}

/// Asks the server for nothing but its key.
async fn server(account: &Account, certificate: Certificate) -> Result<String, String> {
    let address = account.server.clone().ok_or("has never answered")?;
    let voucher = account.fingerprint.map_or(Voucher::Nobody, Voucher::Key);
    let endpoint = Endpoint {
        dial: Arc::new(TlsDial),
        address: address.clone(),
        key: Arc::new(ServerKey::not_kept(voucher)),
        certificate: Arc::new(certificate),
    };
    match probe(&endpoint).await {
        Ok(found) if account.fingerprint.is_some_and(|trusted| trusted != found) => {
            Ok("answers, with a new key that the trusted one vouches for".to_owned())
        }
        Ok(_) => Ok("answers, with the key that is trusted".to_owned()),
        Err(error) => {
            let trouble = error.trouble(&address);
            Err(format!("{}; {}", trouble.what, trouble.todo))
        }
    }
}

fn memory(target: &Target) -> Result<String, String> {
    let loaded = State::peek(&target.root.private_path(STATE_NAME)).map_err(|error| chain(&error))?;
    Ok(match loaded {
        Some(loaded) => format!("sound, {} files and directories", loaded.trees.local().len()),
        None => "there is none yet".to_owned(),
    })
}

fn folder(target: &Target) -> Result<String, String> {
    target.root.check().map_err(|error| chain(&error))?;
    target
        .root
        .list(&sync_engine::RelPath::root())
        .map_err(|error| chain(&error))?;
    Ok(target.folder.to_string())
}

async fn client(target: &Target) -> Result<String, String> {
    match Socket::ask(&target.place, &Ask::Status).await {
        Ok(Answer::Status(status)) => {
            let runs = match status.connected {
                true => "runs, connected",
                false => "runs, not connected",
            };
            let wrong: Vec<String> = status
                .trouble
                .iter()
                .chain(&status.warnings)
                .map(ToString::to_string)
                .collect();
            match wrong.is_empty() {
                true if status.connected => Ok(runs.to_owned()),
                true => Err(runs.to_owned()),
                false => Err(format!("{runs}: {}", wrong.join("; "))),
            }
        }
        Ok(_) => Err("runs, but does not tell its state".to_owned()),
        Err(SocketError::NobodyThere) => match target.root.lock_holder() {
            Some(pid) => Err(format!(
                "another client runs on this folder (process {pid}), which is not asked with this configuration; see that \
                 HOLDFAST_CONFIG_DIR is right"
            )),
            None => Ok("does not run".to_owned()),
        },
        Err(error) => Err(chain(&error)),
    }
}
