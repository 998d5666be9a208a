//! The wire as others see it: frozen bytes, hostile bytes, hostile handshakes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod codec;
mod golden;
mod samples;
mod tls;
