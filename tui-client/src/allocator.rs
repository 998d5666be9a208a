//! How the C library's allocator is to behave. By itself it keeps, in one arena for each thread, whatever was in use at
//! the busiest moment: after a first synchronisation that was twice of what was needed from then on. Measured in
//! docs/performance.md.

/// Lets memory that is not used any more go back to the system. To be called before there are other threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "nothing safe sets these")]
pub fn be_frugal() {
    /// One arena for all threads: what one has freed is another's, and there is one end that can be given back.
    const ARENAS: libc::c_int = 1;
    /// Blocks from this size on are given back as soon as they are freed, in bytes. By itself this grows with the
    /// largest that was freed.
    const BLOCK_LEN: libc::c_int = 1024 * 1024;
    /// So much is kept free at the end of an arena, in bytes.
    const END_LEN: libc::c_int = 128 * 1024;
    for (parameter, value) in [
        (libc::M_ARENA_MAX, ARENAS),
        (libc::M_MMAP_THRESHOLD, BLOCK_LEN),
        (libc::M_TRIM_THRESHOLD, END_LEN),
    ] {
        // SAFETY: It takes two numbers and points to nothing of ours. Parameters that it does not know it refuses, and
        // then all is as it would be without.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// Gives back to the system what is free between blocks in use, too: as they come and go that is as much as is in use.
/// Others who want memory wait meanwhile.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "nothing safe does it")]
pub fn give_back() {
    // SAFETY: It takes a number, how much to leave free at the end, and changes nothing that is in use.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators give back what is not used.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn be_frugal() {}

/// Other allocators give back what is not used.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back() {}
