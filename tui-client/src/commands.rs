//! The commands: `status`, `wait`, `history`, `restore` and the others. Each asks the client that runs on the folder,
//! through the local socket. Where none runs, what the folder's own memory can tell is read from it, with the state
//! `offline`; for the rest a client without a screen is started and ended again.
//!
//! Exit codes: `status` 0 when synced, 3 when something is blocked or in conflict besides, 4 when the server is out of
//! reach or no client runs, 1 otherwise; `wait` 0 when synced, also when something is blocked
//! or in conflict besides, and 1 when not in time; what needs the server 4 when it is out of reach; `verify` and `doctor` 1 when
//! something is wrong; the others 0 when done and 1 when not.

mod doctor;
mod helper;
mod json;
mod lost;
mod memory;
mod show;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Zoned;
use sync_engine::name::visible;
use sync_engine::{DeviceId, RelPath};
use tokio::time::{Instant, sleep};

use crate::config::Config;
use crate::control::{Answer, Ask, DeviceItem, State, Status};
use crate::disk::{FolderId, Root};
use crate::fault::{Exit, Fault};
use crate::options::{Deed, Order};
use crate::socket::{Conversation, Place, SocketError};
use crate::words::{RESERVED, nothing_there_in_words};
use helper::Helper;

/// A client that is just being started is waited for at most this long.
const START_GRACE: Duration = Duration::from_secs(3);
/// A command that needs a client is begun anew so often when the client gives way to another.
const ROUNDS_MAX: usize = 8;
/// How often it is looked whether it has started.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What a command knows of where it runs.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The user's configuration.
    pub config: Config,
    /// This program, to start a client with.
    pub program: PathBuf,
    /// Whether standard output is a terminal.
    pub terminal: bool,
    /// The time, with the zone in which times are shown.
    pub now: Zoned,
}

/// A folder that is kept by Holdfast.
struct Target {
    root: Root,
    folder: FolderId,
    place: Place,
}

impl Target {
    fn open(path: &Path, config: &Config) -> Result<Self, Fault> {
        let root = Root::open(path)?;
        // To ask about a folder must not make it one of ours.
        if root.is_new()? {
            let shown = visible(&path.display().to_string());
            return Err(Fault::failed(
                format!("{shown} is not a folder that Holdfast keeps"),
                "nothing was changed",
                "see that the path is right, or begin with `tui-client SERVER FOLDER`",
            ));
        }
        let folder = root.marker()?;
        let place = config.place(folder);
        Ok(Self { root, folder, place })
    }
}

/// Carries a command out and writes its answer. What is written to `out` is for the user; faults are the caller's to
/// print.
///
/// # Errors
/// When it cannot be done; the fault says what to do, and how the program ends.
pub async fn run(order: &Order, surroundings: &Surroundings, out: &mut impl Write) -> Result<Exit, Fault> {
    if order.folder.exists() && !order.folder.is_dir() {
        return Err(no_folder(&order.folder));
    }
    if let Some(answer) = lost::answer(order, surroundings).await? {
        return tell(order, &answer, surroundings, out);
    }
    let target = open_target(order, surroundings).await?;
    let answer = match &order.deed {
        Deed::Doctor => doctor::look(&target, surroundings).await,
        Deed::WhyReserved { above, name } => why_reserved(&target, above, name)?,
        deed => answer(deed, &target, surroundings).await?,
    };
    match answer {
        Answer::Failed(trouble) => Err(Fault::told(trouble)),
        Answer::Unconnected { trouble, exit } => Err(Fault { trouble, exit }),
        Answer::Ending => Err(SocketError::Ended.into()),
        answer => tell(order, &answer, surroundings, out),
    }
}

/// Says what stands at a name that is Holdfast's own, and why it is not synchronised. No client is needed for that.
fn why_reserved(target: &Target, above: &RelPath, name: &str) -> Result<Answer, Fault> {
    let shown = match above.0.is_empty() {
        true => visible(name),
        false => format!("{above}/{}", visible(name)),
    };
    let Some(is_own) = target.root.look_at_reserved(above, name)? else {
        return Ok(Answer::Failed(nothing_there_in_words(&shown)));
    };
    let line = if is_own {
        format!(
            "'{shown}' is not synchronised: it is this device's own directory, with its memory, what is being downloaded \
             (staging) and what was taken out of the folder lately (stash)"
        )
    } else {
        format!(
            "'{shown}' is not synchronised: {RESERVED}; it stays as it is, and travels once it has another name"
        )
    };
    Ok(Answer::Report {
        sound: is_own,
        is_partial: false,
        lines: vec![line],
    })
}

/// Writes an answer. Returns how the program ends.
fn tell(
    order: &Order,
    answer: &Answer,
    surroundings: &Surroundings,
    out: &mut impl Write,
) -> Result<Exit, Fault> {
    let lines = if order.json {
        json::lines(&order.deed, answer, surroundings.now.timestamp())
    } else {
        show::lines(&order.deed, answer, surroundings)
    };
    write_lines(out, &lines)?;
    Ok(exit_of(&order.deed, answer))
}

fn no_folder(path: &Path) -> Fault {
    Fault {
        exit: Exit::Usage,
        ..Fault::failed(
            format!("{} is no folder: something else is there", path.display()),
            "nothing was changed",
            "name the folder; a file in it is named after that",
        )
    }
}

/// Opens the folder. Who waits may do so from the moment that a client is being started, before it has marked the folder.
async fn open_target(order: &Order, surroundings: &Surroundings) -> Result<Target, Fault> {
    let begin = Instant::now();
    loop {
        match Target::open(&order.folder, &surroundings.config) {
            Err(_) if matches!(order.deed, Deed::Wait { .. }) && begin.elapsed() < START_GRACE => {
                sleep(LOOK_INTERVAL).await;
            }
            opened => return opened,
        }
    }
}

/// Begins a conversation with the client that runs; nothing when none does within the grace. Whether one runs is asked at
/// its socket, which it has from its start: to try its lock could keep it off.
async fn converse(target: &Target, grace: Duration) -> Result<Option<Conversation>, Fault> {
    let begin = Instant::now();
    loop {
        match Conversation::open(&target.place).await {
            Ok(conversation) => return Ok(Some(conversation)),
            // One that ends just now is as good as none.
            Err(SocketError::NobodyThere | SocketError::Broken(_) | SocketError::Ended) => (),
            Err(error) => return Err(error.into()),
        }
        if grace <= begin.elapsed() {
            return Ok(None);
        }
        sleep(LOOK_INTERVAL).await;
    }
}

fn write_lines(out: &mut impl Write, lines: &[String]) -> Result<(), Fault> {
    let written = lines
        .iter()
        .try_for_each(|line| writeln!(out, "{line}"))
        .and_then(|()| out.flush());
    match written {
        // Whoever reads has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Fault::failed(
            format!("cannot write the answer: {error}"),
            "the command itself was carried out",
            "see where standard output leads",
        )),
        Ok(()) => Ok(()),
    }
}

/// Gets the answer from the client that runs, from the memory, or from a client that is started for it.
async fn answer(deed: &Deed, target: &Target, surroundings: &Surroundings) -> Result<Answer, Fault> {
    let begin = Instant::now();
    let grace = match deed {
        Deed::Wait { timeout: None } => START_GRACE,
        Deed::Wait {
            timeout: Some(timeout),
        } => START_GRACE.min(*timeout / 3),
        _ => Duration::ZERO,
    };
    if let Some(mut conversation) = converse(target, grace).await? {
        match carry_out(deed, &mut conversation).await {
            // A client that gave way to another answers nothing; what was only asked is asked again.
            Ok(Answer::Ending) if !deed.is_order() => (),
            Err(SocketError::Ended | SocketError::Broken(_)) if !deed.is_order() => (),
            answered => return Ok(answered?),
        }
    }
    if let Some(answer) = memory::answer(deed, target, &surroundings.config)? {
        return Ok(answer);
    }
    if *deed == Deed::Confirm {
        // The brake is a matter of the client that put it on.
        return Err(SocketError::NobodyThere.into());
    }
    let mut given_up = SocketError::Ended;
    for round in 0..ROUNDS_MAX {
        if round != 0 {
            // The last client gave way to another, which goes first.
            let taken_over = converse(target, START_GRACE).await?;
            tracing::debug!(
                is_there = taken_over.is_some(),
                "another client takes the folder over"
            );
        }
        let Some((helper, mut conversation)) = Helper::start(target, surroundings).await? else {
            continue;
        };
        let settled = helper::settle(deed, &mut conversation).await;
        // What was only asked, and what was not asked yet, may be asked again.
        let may_repeat = settled.is_err() || !deed.is_order();
        let answered = match settled {
            Ok(None) => carry_out(&shortened(deed, begin.elapsed()), &mut conversation).await,
            Ok(Some(answer)) => Ok(answer),
            Err(error) => Err(error),
        };
        helper.finish().await;
        given_up = match answered {
            Ok(Answer::Ending) => SocketError::Ended,
            Err(error @ (SocketError::Ended | SocketError::Broken(_))) if may_repeat => error,
            answered => return Ok(answered?),
        };
    }
    Err(given_up.into())
}

/// Returns the deed with as much less time as is over already.
fn shortened(deed: &Deed, elapsed: Duration) -> Deed {
    match deed {
        Deed::Wait {
            timeout: Some(timeout),
        } => Deed::Wait {
            timeout: Some(timeout.saturating_sub(elapsed)),
        },
        _ => deed.clone(),
    }
}

/// Carries a deed out with a running client.
async fn carry_out(deed: &Deed, conversation: &mut Conversation) -> Result<Answer, SocketError> {
    let ask = match deed {
        Deed::Status => Ask::Status,
        Deed::Wait { timeout } => Ask::Wait {
            timeout_ms: timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
        },
        Deed::Id | Deed::Link => Ask::Identity,
        Deed::Log { limit } => Ask::Log { limit: *limit },
        Deed::History { path } => Ask::History { path: path.clone() },
        Deed::Restore { path, at, to } => Ask::Restore {
            path: path.clone(),
            at: *at,
            to: to.clone(),
        },
        Deed::Conflicts => Ask::Conflicts,
        Deed::Resolve { path, choice } => Ask::Resolve {
            path: path.clone(),
            choice: *choice,
        },
        Deed::Devices => Ask::Devices,
        Deed::RenameDevice { device, name } => match find_device(device, conversation).await? {
            Ok(device) => Ask::RenameDevice {
                device,
                name: name.clone(),
            },
            Err(failed) => return Ok(failed),
        },
        Deed::RevokeDevice { device } => match find_device(device, conversation).await? {
            Ok(device) => Ask::RevokeDevice { device },
            Err(failed) => return Ok(failed),
        },
        Deed::ReplaceId => Ask::ReplaceId,
        Deed::Why { path } => Ask::Why { path: path.clone() },
        Deed::Confirm => Ask::Confirm,
        Deed::Revert => Ask::Revert,
        Deed::Verify | Deed::Doctor | Deed::WhyReserved { .. } => Ask::Verify,
    };
    conversation.ask(&ask).await
}

/// Finds a device by its name or id. The inner error is the answer when there is not exactly one.
async fn find_device(
    device: &str,
    conversation: &mut Conversation,
) -> Result<Result<DeviceId, Answer>, SocketError> {
    let devices = match conversation.ask(&Ask::Devices).await? {
        Answer::Devices(devices) => devices,
        other => return Ok(Err(other)),
    };
    let found: Vec<&DeviceItem> = devices
        .iter()
        .filter(|item| !item.revoked && (item.name == device || item.id.to_string() == device))
        .collect();
    let shown = visible(device);
    let problem = match found[..] {
        [item] => return Ok(Ok(item.id)),
        [] => format!("no device of the account is called {shown}"),
        [..] => format!("{} devices of the account are called {shown}", found.len()),
    };
    let fault = Fault::failed(problem, "nothing was changed", "take its id out of `devices`");
    Ok(Err(Answer::Failed(fault.trouble)))
}

/// Tells how the program ends after an answer.
fn exit_of(deed: &Deed, answer: &Answer) -> Exit {
    match answer {
        Answer::Status(_) if matches!(deed, Deed::Wait { .. }) => Exit::Done,
        Answer::Status(status) => exit_of_status(status),
        Answer::Unconnected { exit, .. } => *exit,
        Answer::TimedOut(_) | Answer::Failed(_) | Answer::Ending => Exit::Failed,
        Answer::Report { sound: false, .. } if matches!(deed, Deed::Verify | Deed::Doctor) => Exit::Failed,
        Answer::Report { is_partial: true, .. } if matches!(deed, Deed::Verify) => Exit::Attention,
        Answer::Identity(_)
        | Answer::List(_)
        | Answer::Log(_)
        | Answer::History { .. }
        | Answer::Restored(_)
        | Answer::Conflicts(_)
        | Answer::Devices(_)
        | Answer::Report { .. }
        | Answer::Notice(_)
        | Answer::Done => Exit::Done,
    }
}

/// Tells how a program ends that was to bring a folder into this state: `status`, and the headless mode with `--once`.
#[must_use]
pub fn exit_of_status(status: &Status) -> Exit {
    match status.state {
        State::Synced if status.blocked.is_empty() && status.conflicts == 0 => Exit::Done,
        State::Synced => Exit::Attention,
        State::Offline => Exit::Unreachable,
        State::Syncing | State::Halted | State::Error => Exit::Failed,
    }
}
