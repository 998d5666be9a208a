//! The simulated watcher, as the client's observer wants one.

use super::SimDisk;
use super::watch::{Happened, SimEvent, SimEvents, WatchOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use sync_engine::RelPath;
use tokio::task::JoinHandle;
use tui_client::observer::{HintSink, PathEvent, Watch, WatchTrouble};

/// A watch on a folder of a simulated disk.
#[derive(Debug)]
pub struct SimWatch {
    disk: SimDisk,
    folder: String,
    options: WatchOptions,
    begun: Option<Begun>,
}

/// A watch that has begun. It ends when it is dropped.
#[derive(Debug)]
struct Begun {
    events: Arc<SimEvents>,
    hints: HintSink,
    task: JoinHandle<()>,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.task.abort();
        self.events.end();
    }
}

impl SimWatch {
    /// Returns a watch on a folder, which does not watch yet.
    #[must_use]
    pub fn new(disk: &SimDisk, folder: &str, options: WatchOptions) -> Self {
        Self {
            disk: disk.clone(),
            folder: folder.to_owned(),
            options,
            begun: None,
        }
    }
}

impl Watch for SimWatch {
    fn start(&mut self, hints: HintSink) -> Result<(), WatchTrouble> {
        self.begun = None;
        if self.disk.has_watch_limit() {
            return Err(WatchTrouble::Limit);
        }
        let events = self.disk.subscribe(&self.folder, self.options);
        let events = Arc::new(events.map_err(|error| WatchTrouble::Other(error.to_string()))?);
        let (waiting, telling) = (events.clone(), hints.clone());
        let task = tokio::spawn(async move {
            while let Some(event) = waiting.next().await {
                tell(&telling, &event);
            }
        });
        self.begun = Some(Begun { events, hints, task });
        Ok(())
    }

    fn include(&mut self, _: &RelPath) -> bool {
        true
    }

    fn barrier(&mut self) {
        if let Some(begun) = &self.begun {
            while let Some(event) = begun.events.try_next() {
                tell(&begun.hints, &event);
            }
        }
    }
}

fn tell(hints: &HintSink, event: &SimEvent) {
    let path_event = match event.happened {
        Happened::Closed => PathEvent::Closed,
        Happened::Created { is_dir: true } | Happened::MovedTo { .. } => PathEvent::Arrived,
        Happened::Created { is_dir: false } | Happened::Modified => PathEvent::Changed,
        Happened::Attributes => PathEvent::Attributes,
        Happened::MovedFrom { .. } | Happened::Removed { .. } | Happened::RootGone => PathEvent::Left,
        Happened::Overflow => return hints.overflowed(),
        Happened::Limit => return hints.trouble(WatchTrouble::Limit),
    };
    hints.tell(&os_path(&event.path), path_event);
}

#[cfg(unix)]
fn os_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    Path::new(std::ffi::OsStr::from_bytes(bytes)).to_owned()
}

#[cfg(not(unix))]
fn os_path(bytes: &[u8]) -> PathBuf {
    Path::new(String::from_utf8_lossy(bytes).as_ref()).to_owned()
}
