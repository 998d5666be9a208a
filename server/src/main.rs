//! The program `server`. All that it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::run(std::env::args_os())
}
