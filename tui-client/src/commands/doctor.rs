//! `doctor`: looks at what a folder needs on this computer, and tells what is wrong, line by line.

use super::{Surroundings, Target};
use crate::control::{Answer, Ask};
use crate::fault::chain;
use crate::socket::{Socket, SocketError};
use crate::state::{STATE_NAME, State};

/// Looks, changes nothing, and never fails: what cannot be looked at is what it tells.
pub(super) async fn look(target: &Target, surroundings: &Surroundings) -> Answer {
    let mut report = Report::default();
    report.note("configuration", account(target, surroundings));
    report.note("memory", memory(target));
    report.note("folder", folder(target));
    report.note("client", client(target).await);
    Answer::Report {
        sound: report.sound,
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

fn account(target: &Target, surroundings: &Surroundings) -> Result<String, String> {
    let account = surroundings
        .config
        .account(target.folder)
        .map_err(|error| chain(&error))?;
    let account = account.ok_or("the folder belongs to no account of yours")?;
    let enrolled = if account.device.is_some() {
        "enrolled"
    } else {
        "not yet enrolled"
    };
    let device = sync_engine::name::visible(&account.device_name);
    Ok(format!("server {}, device {device}, {enrolled}", account.server))
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
        Ok(Answer::Status(status)) if status.connected => Ok("runs, connected".to_owned()),
        Ok(Answer::Status(status)) => match status.trouble {
            Some(trouble) => Err(format!("runs, not connected: {trouble}")),
            None => Err("runs, not connected".to_owned()),
        },
        Ok(_) => Err("runs, but does not tell its state".to_owned()),
        Err(SocketError::NobodyThere) => Ok("does not run".to_owned()),
        Err(error) => Err(chain(&error)),
    }
}
