//! The observer with simulated time, and a watch that is told what to say.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sync_engine::RelPath;
use tokio::time::Instant;
use tui_client::observer::{HintSink, PathEvent, Watch, WatchTrouble};

use crate::eyes::Eyes;

/// A watch that sees nothing but what it is told.
#[derive(Clone, Default)]
struct Blind(Arc<Mutex<Option<HintSink>>>);

impl Blind {
    fn tell(&self, path: &str, event: PathEvent) {
        let hints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hints.as_ref().unwrap().tell(Path::new(path), event);
    }
}

impl Watch for Blind {
    fn start(&mut self, hints: HintSink) -> Result<(), WatchTrouble> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(hints);
        Ok(())
    }

    fn include(&mut self, _: &RelPath) {}

    fn barrier(&mut self) {}
}

#[tokio::test(start_paused = true)]
async fn a_hint_is_followed_and_a_cookie_that_comes_back_is_proof() {
    let watch = Blind::default();
    let mut eyes = Eyes::with_watch(watch.clone());
    while !eyes.step().await.scan_finished {}
    let began = Instant::now();
    std::fs::create_dir(eyes.path("d")).unwrap();
    eyes.write("d/f", "bytes");
    watch.tell("d", PathEvent::Arrived);
    eyes.write("g", "unseen");
    let token = eyes.observer.sync();
    tokio::task::yield_now().await;
    watch.tell(&format!(".holdfast/cookie-{token}"), PathEvent::Changed);
    while eyes.step().await.caught_up < Some(token) {}
    assert_eq!(eyes.paths(), ["d", "d/f"]);
    eyes.rename("d/f", "f");
    watch.tell("d/f", PathEvent::Left);
    watch.tell("f", PathEvent::Arrived);
    let file = eyes.id("d/f");
    while eyes.find("f") != Some(file) {
        eyes.step().await;
    }
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_says_nothing_is_noticed_and_full_walks_stand_in_for_it() {
    let mut eyes = Eyes::with_watch(Blind::default());
    while !eyes.step().await.scan_finished {}
    for name in ["a", "b"] {
        eyes.write(name, "bytes");
        eyes.settle().await;
        assert_eq!(eyes.notices.len(), 1);
    }
    eyes.write("c", "bytes");
    while eyes.find("c").is_none() {
        eyes.step().await;
    }
}
