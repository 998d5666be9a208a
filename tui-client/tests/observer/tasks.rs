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

/// A watch that tells of cookies alone, and cannot watch `deep`.
#[derive(Clone, Default)]
struct Shallow(Blind);

impl Blind {
    fn tell(&self, path: &str, event: PathEvent) {
        let hints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hints.as_ref().unwrap().tell(Path::new(path), event);
    }

    /// Forgets where its hints go, until it is started again.
    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn is_started(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn fail(&self, trouble: WatchTrouble) {
        let hints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hints.as_ref().unwrap().trouble(trouble);
    }
}

impl Watch for Blind {
    fn start(&mut self, hints: HintSink) -> Result<(), WatchTrouble> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(hints);
        Ok(())
    }

    fn include(&mut self, _: &RelPath) -> bool {
        true
    }

    fn barrier(&mut self) {}
}

impl Watch for Shallow {
    fn start(&mut self, hints: HintSink) -> Result<(), WatchTrouble> {
        self.0.start(hints)
    }

    fn can_watch(&self, dir: &RelPath) -> bool {
        dir.0.first().is_none_or(|name| name.as_bytes() != b"deep")
    }

    fn include(&mut self, _: &RelPath) -> bool {
        true
    }

    fn barrier(&mut self) {}
}

/// Asks for proof, and lets the watch tell of nothing but the cookie.
async fn prove(eyes: &mut Eyes, watch: &Blind) {
    let token = eyes.observer.sync();
    for _ in 0..9 {
        tokio::task::yield_now().await;
    }
    watch.tell(&format!(".holdfast/cookie-{token}"), PathEvent::Changed);
    while eyes.step().await.caught_up < Some(token) {}
}

#[tokio::test(start_paused = true)]
async fn at_the_limit_of_watches_a_token_comes_back_only_after_a_full_walk() {
    let watch = Blind::default();
    let mut eyes = Eyes::with_watch(watch.clone());
    while !eyes.step().await.scan_finished {}
    watch.fail(WatchTrouble::Limit);
    while !eyes.step().await.scan_finished {}
    for round in 0..5 {
        let name = format!("unseen {round}");
        eyes.write(&name, "bytes");
        prove(&mut eyes, &watch).await;
        assert!(eyes.find(&name).is_some(), "{name}");
    }
    assert_eq!(eyes.notices.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_watches_is_said_until_all_is_watched_again() {
    let watch = Blind::default();
    let mut eyes = Eyes::with_watch(watch.clone());
    while !eyes.step().await.scan_finished {}
    assert_eq!(eyes.observer.degraded(), []);
    for _ in 0..2 {
        watch.fail(WatchTrouble::Limit);
        let before = eyes.notices.len();
        while eyes.notices.len() == before {
            eyes.step().await;
        }
        assert!(eyes.observer.degraded()[0].what.contains("cannot watch all"));
        prove(&mut eyes, &watch).await;
        assert_eq!(eyes.observer.degraded().len(), 1, "a token's file is no proof");
        while !eyes.observer.degraded().is_empty() {
            eyes.step().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn that_nothing_is_reported_is_said_until_a_tokens_file_is() {
    let watch = Blind::default();
    let mut eyes = Eyes::with_watch(watch.clone());
    while !eyes.step().await.scan_finished {}
    eyes.settle().await;
    assert!(eyes.observer.degraded()[0].what.contains("does not report"));
    watch.forget();
    while !watch.is_started() {
        eyes.step().await;
    }
    assert_eq!(
        eyes.observer.degraded().len(),
        1,
        "that it began anew is no proof"
    );
    eyes.write("unseen", "bytes");
    while eyes.find("unseen").is_none() {
        eyes.step().await;
    }
    prove(&mut eyes, &watch).await;
    assert_eq!(eyes.observer.degraded(), []);
}

#[tokio::test(start_paused = true)]
async fn directories_that_cannot_be_watched_are_said_until_they_are_gone() {
    let watch = Shallow::default();
    let mut eyes = Eyes::with_watch(watch.clone());
    std::fs::create_dir_all(eyes.path("deep/er")).unwrap();
    while !eyes.step().await.scan_finished {}
    assert!(eyes.observer.degraded()[0].what.contains("so long"));
    std::fs::remove_dir_all(eyes.path("deep")).unwrap();
    while !eyes.observer.degraded().is_empty() {
        eyes.step().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_cannot_be_watched_is_looked_at_before_a_token_comes_back() {
    let watch = Shallow::default();
    let mut eyes = Eyes::with_watch(watch.clone());
    std::fs::create_dir_all(eyes.path("deep/er")).unwrap();
    std::fs::create_dir(eyes.path("flat")).unwrap();
    while !eyes.step().await.scan_finished {}
    eyes.write("deep/er/f", "bytes");
    eyes.write("flat/f", "untold");
    prove(&mut eyes, &watch.0).await;
    assert_eq!(eyes.paths(), ["deep", "deep/er", "deep/er/f", "flat"]);
    assert_eq!(eyes.notices.len(), 1);
    eyes.write("deep/g", "bytes");
    while eyes.find("deep/g").is_none() {
        eyes.step().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_with_the_name_of_vims_probe_is_seen_once_it_stays() {
    let watch = Blind::default();
    let mut eyes = Eyes::with_watch(watch.clone());
    while !eyes.step().await.scan_finished {}
    eyes.write("4913", "a letter");
    watch.tell("4913", PathEvent::Changed);
    watch.tell("4913", PathEvent::Closed);
    let began = Instant::now();
    while eyes.find("4913").is_none() {
        eyes.step().await;
    }
    assert!(Duration::from_secs(1) <= began.elapsed());
    prove(&mut eyes, &watch).await;
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
