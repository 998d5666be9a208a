//! How many connections the system has file descriptors for. Some are kept back, so that however many callers there
//! are, the store's own files can still be opened.

#[cfg_attr(unix, path = "descriptors/unix.rs")]
#[cfg_attr(windows, path = "descriptors/windows.rs")]
mod system;

/// Descriptors that no connection gets: for the database, packs, the log and what the runtime needs.
const KEPT_BACK: usize = 256;

/// Lets this process open as many files as it may, and returns how many connections of those wanted that is enough for.
pub(crate) fn connections_max(wanted: usize) -> usize {
    let Some(files_max) = system::raise_limit() else {
        return wanted;
    };
    let enough_for = files_max - KEPT_BACK.min(files_max / 2);
    if enough_for < wanted {
        tracing::warn!(
            files_max,
            connections_max = enough_for,
            "this process may open few files: it takes fewer connections at a time; raise its limit (ulimit -n) for more"
        );
    }
    wanted.min(enough_for)
}
