//! A client without a screen that is started for one command: what `restore`, `history` and their like need when none
//! runs. Only that one is ended, and always: the command holds the other end of its standard input, which the system
//! closes however the command ends.

use std::io::Read as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{Surroundings, Target};
use crate::config::CONFIG_DIR_VARIABLE;
use crate::control::{Answer, Ask};
use crate::fault::{Exit, Fault};
use crate::notice::Trouble;
use crate::options::Deed;
use crate::socket::{Conversation, SocketError};

/// A client that starts answers within this time.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// A server that is not reached in this time counts as out of reach.
const REACH_TIMEOUT: Duration = Duration::from_secs(4);
/// The client is given this time to look at the folder before it is asked, in milliseconds.
const SETTLE_TIMEOUT_MS: u64 = 30_000;
/// The same when the server is out of reach, so that it will not be synced.
const SETTLE_ALONE_TIMEOUT_MS: u64 = 2_000;
/// A client whose input was closed ends within this time.
const END_TIMEOUT: Duration = Duration::from_secs(30);
/// How often it is looked whether the client has started or ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(25);

/// A client that was started for a command. Dropping it kills the client, which harms nothing.
pub(super) struct Helper {
    child: Child,
}

impl Helper {
    /// Starts a client on a folder and waits until one answers. It need not be this one: another may have come first.
    /// Returns nothing when this one gave way to another that does not answer yet.
    pub(super) async fn start(
        target: &Target,
        surroundings: &Surroundings,
    ) -> Result<Option<(Self, Conversation)>, Fault> {
        let child = Command::new(&surroundings.program)
            .args(["--headless", "--until-input-ends", "--"])
            .arg(target.root.path())
            .env(CONFIG_DIR_VARIABLE, surroundings.config.dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| could_not(&error.to_string()))?;
        let mut helper = Self { child };
        let begin = Instant::now();
        loop {
            match Conversation::open(&target.place).await {
                Ok(conversation) => return Ok(Some((helper, conversation))),
                // One that ends just now is as good as none.
                Err(SocketError::NobodyThere | SocketError::Broken(_) | SocketError::Ended) => (),
                Err(error) => return Err(error.into()),
            }
            if let Ok(Some(status)) = helper.child.try_wait() {
                return helper.reason(status).map_or(Ok(None), Err);
            }
            if START_TIMEOUT < begin.elapsed() {
                return Err(could_not("it does not answer"));
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Returns why the client has ended at once, in its own words if it left any; nothing when it gave way, which is how it
    /// ends in good order before it is told to.
    fn reason(&mut self, status: ExitStatus) -> Option<Fault> {
        let mut line = String::new();
        if let Some(out) = &mut self.child.stdout {
            // What cannot be read is no reason.
            let _ = out.read_to_string(&mut line);
        }
        match serde_json::from_str(&line) {
            Ok(Answer::Failed(trouble)) => {
                let codes = [Exit::Usage, Exit::Unreachable, Exit::NotAdmitted];
                let is = |exit: &Exit| status.code() == Some(i32::from(exit.code()));
                let exit = codes.into_iter().find(is).unwrap_or(Exit::Failed);
                Some(Fault { trouble, exit })
            }
            _ if status.success() => None,
            _ => Some(could_not("it ended at once, and did not say why")),
        }
    }

    /// Ends the client in good order. One that was there before, or came meanwhile, is left alone.
    pub(super) async fn finish(mut self) {
        drop(self.child.stdin.take());
        let begin = Instant::now();
        while begin.elapsed() < END_TIMEOUT {
            match self.child.try_wait() {
                Ok(None) => sleep(LOOK_INTERVAL).await,
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            tracing::warn!("the client that was started for this command does not end and is killed");
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn could_not(why: &str) -> Fault {
    Fault::failed(
        format!("no client runs on this folder, and none could be started: {why}"),
        "nothing was changed",
        "start the client on the folder, see what it says, then try again",
    )
}

/// Lets a client that has just started reach the server and look at the folder, as far as a deed needs either. Returns
/// the answer that there is already when it cannot have what it needs.
pub(super) async fn settle(
    deed: &Deed,
    conversation: &mut Conversation,
) -> Result<Option<Answer>, SocketError> {
    if matches!(deed, Deed::Wait { .. }) {
        return Ok(None);
    }
    // What is no question for the server alone shows best whether it can be asked.
    let reached = match timeout(REACH_TIMEOUT, conversation.ask(&Ask::Devices)).await {
        Ok(answer) => answer?,
        Err(_) => Answer::Unconnected {
            trouble: not_reached(),
            exit: Exit::Unreachable,
        },
    };
    let timeout_ms = match (deed, reached) {
        (_, Answer::Devices(_)) => SETTLE_TIMEOUT_MS,
        (Deed::Why { .. }, Answer::Unconnected { .. }) => SETTLE_ALONE_TIMEOUT_MS,
        (_, answer) => return Ok(Some(answer)),
    };
    let needs_folder = matches!(
        deed,
        Deed::Restore { .. } | Deed::Resolve { .. } | Deed::Verify | Deed::Why { .. }
    );
    if !needs_folder {
        return Ok(None);
    }
    let ask = Ask::Wait {
        timeout_ms: Some(timeout_ms),
    };
    match conversation.ask(&ask).await? {
        Answer::Ending => Ok(Some(Answer::Ending)),
        _ => Ok(None),
    }
}

fn not_reached() -> Trouble {
    Trouble {
        what: format!(
            "the server is out of reach: it did not answer in {} seconds",
            REACH_TIMEOUT.as_secs()
        ),
        done: "nothing was changed".into(),
        todo: "check the address, and that the server runs and lets this computer in; then try again".into(),
    }
}
