//! When the other side was last heard: any byte counts, so that a large frame on a slow line is no silence.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

/// Stands for a time while this side takes in nothing more, so that the other's silence says nothing.
const NOT_LISTENING: u64 = u64::MAX;

/// See the module's page. Clones share it.
#[derive(Debug, Clone)]
pub struct Heard {
    began: Instant,
    /// In milliseconds since it began.
    last: Arc<AtomicU64>,
}

impl Default for Heard {
    /// Begins with a side that was heard just now.
    fn default() -> Self {
        Self {
            began: Instant::now(),
            last: Arc::default(),
        }
    }
}

impl Heard {
    /// Returns how long ago the other side was last heard; no time at all while this side does not listen.
    #[must_use]
    pub fn silence(&self) -> Duration {
        match self.last.load(Ordering::Relaxed) {
            NOT_LISTENING => Duration::ZERO,
            last => self.began.elapsed().saturating_sub(Duration::from_millis(last)),
        }
    }

    /// Notes that the other side was heard.
    pub(super) fn note(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(NOT_LISTENING - 1);
        self.last.store(since, Ordering::Relaxed);
    }

    /// Notes that this side does not listen until the next note.
    pub(super) fn pause(&self) {
        self.last.store(NOT_LISTENING, Ordering::Relaxed);
    }
}

/// A stream whose every byte that comes is noted.
#[derive(Debug)]
pub struct Noted<S> {
    stream: S,
    heard: Heard,
}

impl<S> Noted<S> {
    /// Notes in `heard` what comes over a stream.
    pub(super) fn new(stream: S, heard: Heard) -> Self {
        Self { stream, heard }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if before < buf.filled().len() {
            this.heard.note();
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test(start_paused = true)]
    async fn every_byte_that_comes_ends_a_silence_and_who_does_not_listen_hears_none() {
        let (mut far, near) = tokio::io::duplex(16);
        let heard = Heard::default();
        let mut noted = Noted::new(near, heard.clone());
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(heard.silence(), Duration::from_secs(20));
        far.write_all(b"x").await.unwrap();
        assert_eq!(noted.read_u8().await.unwrap(), b'x');
        assert_eq!(heard.silence(), Duration::ZERO);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(heard.silence(), Duration::from_secs(3));
        heard.pause();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(heard.silence(), Duration::ZERO);
    }
}
