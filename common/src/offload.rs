//! Work that blocks: reading, hashing, compressing. It runs on a thread for such work, so that no connection waits for
//! it. In a simulation, which has one thread only, it runs at once.

use std::io;
use tokio::sync::mpsc;

/// Runs work that blocks, and returns what it returned.
///
/// # Panics
/// When the work does.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    #[cfg(feature = "simulation")]
    if crate::entropy::is_on() {
        return work();
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
        tokio::spawn(work);
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let thread = std::thread::Builder::new().name(name.into());
    thread.spawn(move || runtime.block_on(work))?;
    Ok(())
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
