//! A program that is started again and again: the process that runs now, and the logs of those before it.

use crate::process::{END_TIMEOUT, Finished, Process};
use anyhow::{Context as _, Result};
use std::time::Duration;

/// See the module's page. What runs is ended when it is dropped.
#[derive(Debug)]
pub(crate) struct Lives {
    name: &'static str,
    process: Option<Process>,
    ended: String,
}

impl Lives {
    /// Begins without a process. The name says in errors what does not run.
    pub(crate) fn of(name: &'static str) -> Self {
        Self {
            name,
            process: None,
            ended: String::new(),
        }
    }

    /// Returns the process that was started last and not ended yet, if there is one.
    pub(crate) fn now(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// Takes a process that was started.
    pub(crate) fn begin(&mut self, process: Process) {
        self.process = Some(process);
    }

    /// Ends the process, if there is one, and does not keep its log.
    pub(crate) fn drop_now(&mut self) {
        self.process = None;
    }

    /// Ends it in good order.
    ///
    /// # Errors
    /// When it does not run or does not end in time.
    pub(crate) fn terminate(&mut self) -> Result<Finished> {
        let process = self.take()?;
        process.terminate();
        self.keep(&process, END_TIMEOUT)
    }

    /// Ends it at once, wherever it is.
    ///
    /// # Errors
    /// When it does not run.
    pub(crate) fn kill(&mut self) -> Result<Finished> {
        let process = self.take()?;
        process.kill();
        self.keep(&process, END_TIMEOUT)
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it does not run or does not end in time.
    pub(crate) fn finish(&mut self, timeout: Duration) -> Result<Finished> {
        let process = self.take()?;
        self.keep(&process, timeout)
    }

    /// Returns the logs of all, from the first start on.
    pub(crate) fn log(&self) -> String {
        let now = self.now().map(|process| process.stderr.text());
        self.ended.clone() + &now.unwrap_or_default()
    }

    /// Returns what the process that runs now has written.
    pub(crate) fn output(&self) -> String {
        self.now().map(Process::output).unwrap_or_default()
    }

    fn take(&mut self) -> Result<Process> {
        self.process
            .take()
            .with_context(|| format!("{} does not run", self.name))
    }

    fn keep(&mut self, process: &Process, timeout: Duration) -> Result<Finished> {
        let finished = process.finish(timeout)?;
        self.ended.push_str(&finished.stderr);
        Ok(finished)
    }
}
