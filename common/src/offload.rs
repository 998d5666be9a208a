//! Work that blocks: reading, hashing, compressing. It runs on a thread for such work, so that no connection waits for
//! it. In a simulation, which has one thread only, it runs there as one piece; chance says when, and how long others go
//! on before its result is looked at.

use std::io;
use tokio::sync::mpsc;

/// Runs work that blocks, and returns what it returned.
///
/// # Panics
/// When the work does.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    #[cfg(feature = "simulation")]
    if crate::entropy::is_on() {
        simulated::pause().await;
        let result = work();
        simulated::pause().await;
        return result;
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // It was broken off because the runtime ends, and whoever waits here ends with it.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Runs work that blocks and gives out many results, one after the other. Not more than `n_max` are ready before they
/// are taken. The work is told after each whether there is still somebody to take the next.
///
/// Law of the channel: the work alone sends, and the channel ends when the work does.
pub fn stream<T: Send + 'static>(
    n_max: usize,
    work: impl FnOnce(&mut dyn FnMut(T) -> bool) + Send + 'static,
) -> mpsc::Receiver<T> {
    #[cfg(feature = "simulation")]
    if crate::entropy::is_on() {
        let mut results = Vec::new();
        work(&mut |result| {
            results.push(result);
            true
        });
        let (sender, receiver) = mpsc::channel(results.len().max(1));
        for result in results {
            // There is room for all of them, and the receiver is here.
            let _ = sender.try_send(result);
        }
        return receiver;
    }
    let (sender, receiver) = mpsc::channel(n_max);
    tokio::task::spawn_blocking(move || work(&mut |result| sender.blocking_send(result).is_ok()));
    receiver
}

/// Starts a thread for a task that blocks again and again. In a simulation it is a task beside the others.
///
/// # Errors
/// When the system has no thread to give.
pub fn start(name: &str, work: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    #[cfg(feature = "simulation")]
    if crate::entropy::is_on() {
        tokio::spawn(simulated::slowly(work));
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let thread = std::thread::Builder::new().name(name.into());
    thread.spawn(move || runtime.block_on(work))?;
    Ok(())
}

/// Takes the time between something that a task of its own thread has done to the disk and the moment at which others
/// hear of it. In a simulation that is as long as [`set_lag`] says, and otherwise no time of its own.
pub async fn lag() {
    #[cfg(feature = "simulation")]
    simulated::lag().await;
}

#[cfg(feature = "simulation")]
pub use simulated::set_lag;

#[cfg(feature = "simulation")]
mod simulated {
    use std::cell::Cell;
    use std::pin::pin;
    use std::task::ready;
    use std::time::Duration;
    use tokio::time::{Instant, sleep_until};

    /// The longest pause, in microseconds.
    const PAUSE_MAX_US: u64 = 4096;

    thread_local! {
        /// The longest time that [`lag`] takes.
        static LAG_MAX: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    /// Sets the longest time after which others hear of what a task has done on this thread.
    pub fn set_lag(longest: Duration) {
        LAG_MAX.set(longest);
    }

    /// See [`super::lag`].
    pub(super) async fn lag() {
        let longest_us = u64::try_from(LAG_MAX.get().as_micros()).unwrap_or(u64::MAX);
        if crate::entropy::is_on() && longest_us > 0 {
            sleep_until(Instant::now() + some_time(longest_us)).await;
        }
    }

    /// Lets others go on for a while: every other time not at all.
    pub(super) async fn pause() {
        let until = Instant::now() + some_time(PAUSE_MAX_US);
        if Instant::now() < until {
            sleep_until(until).await;
        }
    }

    /// Does some work, with a pause whenever it goes on.
    pub(super) async fn slowly(work: impl Future<Output = ()>) {
        let mut work = pin!(work);
        let mut pause = pin!(sleep_until(Instant::now()));
        let mut is_pausing = false;
        std::future::poll_fn(|cx| {
            if !is_pausing {
                pause.as_mut().reset(Instant::now() + some_time(PAUSE_MAX_US));
                is_pausing = true;
            }
            ready!(pause.as_mut().poll(cx));
            is_pausing = false;
            work.as_mut().poll(cx)
        })
        .await;
    }

    fn some_time(longest_us: u64) -> Duration {
        let mut bytes = [0; 8];
        // Where nothing comes from chance there is no pause.
        let _ = crate::entropy::fill(&mut bytes);
        let number = u64::from_le_bytes(bytes);
        match number % 2 {
            0 => Duration::ZERO,
            _ => Duration::from_micros(number / 2 % longest_us),
        }
    }
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn a_stream_ends_when_the_work_does() {
        let mut numbers = super::stream(1, |give| {
            for number in 0..3 {
                give(number);
            }
        });
        let mut taken = Vec::new();
        while let Some(number) = numbers.recv().await {
            taken.push(number);
        }
        assert_eq!(taken, [0, 1, 2]);
    }

    #[tokio::test]
    async fn a_task_on_its_own_thread_hears_what_others_send() {
        let (question, asked) = tokio::sync::oneshot::channel::<i32>();
        let (answer, answered) = tokio::sync::oneshot::channel();
        let work = async move {
            if let Ok(number) = asked.await {
                let _ = answer.send(number + 1);
            }
        };
        super::start("a thread", work).unwrap();
        question.send(41).unwrap();
        assert_eq!(answered.await, Ok(42));
    }

    #[tokio::test]
    async fn work_comes_back_with_its_result() {
        assert_eq!(super::run(|| 6 * 7).await, 42);
    }
}
