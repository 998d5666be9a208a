//! Work that blocks: reading, hashing, compressing. It runs on a thread for such work, so that no connection waits for
//! it. In a simulation, which has one thread only, it runs at once.

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

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn work_comes_back_with_its_result() {
        assert_eq!(super::run(|| 6 * 7).await, 42);
    }
}
