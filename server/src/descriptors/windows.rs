//! The limit of open files on Windows: there is none for sockets.

/// Raises the limit as far as the system lets this process, and returns it; nothing when there is none.
pub(super) fn raise_limit() -> Option<usize> {
    None
}
