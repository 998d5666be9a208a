//! The simulated disk's events as the client's eyes hear them.

use crate::sim::disk::{Happened, SimDisk, SimEvent, SimEvents, WatchOptions};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use sync_engine::RelPath;
use tui_client::observer::{HintSink, PathEvent, Watch, WatchTrouble};

/// See the module's page.
pub(super) struct SimWatch {
    disk: SimDisk,
    folder: String,
    options: WatchOptions,
    ears: Option<Arc<Mutex<Ears>>>,
}

struct Ears {
    events: SimEvents,
    hints: HintSink,
}

impl SimWatch {
    /// Makes a watch on a folder of a disk.
    pub(super) fn new(disk: SimDisk, folder: &str, options: WatchOptions) -> Self {
        Self {
            disk,
            folder: folder.to_owned(),
            options,
            ears: None,
        }
    }
}

impl Ears {
    /// Hears all that waits.
    fn hear(&mut self) {
        while let Some(event) = self.events.try_next() {
            tell(&self.hints, &event);
        }
    }
}

impl Watch for SimWatch {
    fn start(&mut self, hints: HintSink) -> Result<(), WatchTrouble> {
        let events = self
            .disk
            .subscribe(&self.folder, self.options)
            .map_err(|error| WatchTrouble::Other(error.to_string()))?;
        let bell = events.bell();
        let ears = Arc::new(Mutex::new(Ears { events, hints }));
        self.ears = Some(ears.clone());
        let ears = Arc::downgrade(&ears);
        tokio::spawn(async move {
            loop {
                bell.notified().await;
                let Some(ears) = ears.upgrade() else { return };
                ears.lock().unwrap_or_else(PoisonError::into_inner).hear();
            }
        });
        Ok(())
    }

    fn include(&mut self, _: &RelPath) {}

    fn barrier(&mut self) {
        if let Some(ears) = &self.ears {
            ears.lock().unwrap_or_else(PoisonError::into_inner).hear();
        }
    }
}

fn tell(hints: &HintSink, event: &SimEvent) {
    let path_event = match event.happened {
        Happened::Overflow | Happened::RootGone => return hints.missed(),
        Happened::Closed => PathEvent::Closed,
        Happened::Created { is_dir: true } | Happened::MovedTo { .. } => PathEvent::Arrived,
        Happened::MovedFrom { .. } | Happened::Removed { .. } => PathEvent::Left,
        Happened::Created { is_dir: false } | Happened::Modified | Happened::Attributes => PathEvent::Changed,
    };
    hints.tell(Path::new(path_of(&event.path)), path_event);
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> &std::ffi::OsStr {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::OsStr::from_bytes(bytes)
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
