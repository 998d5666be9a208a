//! A client without a screen that is started for one command and ended after it: what `restore`, `history` and their like
//! need when none runs.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Surroundings, Target};
use crate::config::CONFIG_DIR_VARIABLE;
use crate::control::Ask;
use crate::fault::Fault;
use crate::socket::{Conversation, Place, Socket, SocketError};

/// A client that starts answers within this time.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// It is given this time to reach the server and to look at the folder before it is asked, in milliseconds.
const SETTLE_TIMEOUT_MS: u64 = 30_000;
/// A client that is told to end does so within this time.
const END_TIMEOUT: Duration = Duration::from_secs(30);
/// How often it is looked whether the client has started or ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(25);

/// A client that was started for a command. Dropping it kills the client, which harms nothing.
pub(super) struct Helper {
    child: Child,
}

impl Helper {
    /// Starts a client on a folder and waits until it answers.
    pub(super) async fn start(target: &Target, surroundings: &Surroundings) -> Result<Self, Fault> {
        let could_not = |why: String| {
            Fault::failed(
                format!("no client runs on this folder, and none could be started: {why}"),
                "nothing was changed",
                "start the client on the folder, see what it says, then try again",
            )
        };
        let child = Command::new(&surroundings.program)
            .arg("--headless")
            .arg("--")
            .arg(target.root.path())
            .env(CONFIG_DIR_VARIABLE, surroundings.config.dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| could_not(error.to_string()))?;
        let mut helper = Self { child };
        let begin = Instant::now();
        loop {
            match Conversation::open(&target.place).await {
                Ok(_) => return Ok(helper),
                Err(SocketError::NobodyThere) => (),
                Err(error) => return Err(error.into()),
            }
            if let Ok(Some(status)) = helper.child.try_wait() {
                return Err(could_not(format!("it ended at once ({status})")));
            }
            if START_TIMEOUT < begin.elapsed() {
                return Err(could_not("it does not answer".to_owned()));
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Ends the client in good order.
    pub(super) async fn finish(mut self, place: &Place) {
        // If it cannot be told to end, it is killed when this is dropped.
        let _ = Socket::ask(place, &Ask::Stop).await;
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

/// Lets a client that has just started reach the server. Whether it did is seen from the answers that follow.
pub(super) async fn settle(conversation: &mut Conversation) -> Result<(), SocketError> {
    let ask = Ask::Wait {
        timeout_ms: Some(SETTLE_TIMEOUT_MS),
    };
    conversation.ask(&ask).await.map(drop)
}
