//! Lines that a process writes, gathered by a thread, so that a test can wait for one of them.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What was written so far.
#[derive(Debug, Default)]
struct Written {
    lines: Vec<String>,
    closed: bool,
}

/// The lines of one stream. Clones show the same stream.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<(Mutex<Written>, Condvar)>);

impl Lines {
    /// Starts a thread that reads lines until the stream ends.
    pub fn gather(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let gathered = lines.clone();
        std::thread::spawn(move || gathered.read_all(stream));
        lines
    }

    fn read_all(&self, stream: impl Read) {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(n) if 0 < n) {
            let text = String::from_utf8_lossy(&line)
                .trim_end_matches(['\r', '\n'])
                .to_owned();
            line.clear();
            self.lock().lines.push(text);
            self.0.1.notify_all();
        }
        self.lock().closed = true;
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many lines there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().lines.len()
    }

    /// Returns all lines so far as one text.
    #[must_use]
    pub fn text(&self) -> String {
        self.lock().lines.join("\n")
    }

    /// Waits for something in the lines from `from` on. Returns nothing when the stream ends, or the time is over,
    /// before `find` finds it.
    pub fn wait<T>(
        &self,
        from: usize,
        timeout: Duration,
        mut find: impl FnMut(&str) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + timeout;
        let mut next = from;
        let mut written = self.lock();
        loop {
            while let Some(line) = written.lines.get(next) {
                if let Some(found) = find(line) {
                    return Some(found);
                }
                next += 1;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if written.closed || left.is_zero() {
                return None;
            }
            let waited = self.0.1.wait_timeout(written, left);
            written = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until the stream has ended, and tells whether it has.
    #[must_use]
    pub fn wait_closed(&self, timeout: Duration) -> bool {
        self.wait(usize::MAX, timeout, |_| Some(()));
        self.lock().closed
    }
}
