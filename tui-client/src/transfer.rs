//! Moving contents: which chunks have to cross the wire, and how they get there. Sending asks first for the lists, so
//! that one question tells what the server already has; fetching takes what other local files hold and what an earlier
//! try has left. Memory is bounded by the number of frames under way, whatever the size of a file.

pub mod compress;
pub mod download;
pub mod space;
pub mod upload;
