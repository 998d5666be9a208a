//! The client's program: reads the command line, and hands over to the screen, to the headless mode or to a command.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use jiff::Zoned;
use tracing_subscriber::EnvFilter;
use tui_client::commands::{self, Surroundings};
use tui_client::config::Config;
use tui_client::fault::{Exit, Fault};
use tui_client::options::{self, Invocation, Listener};
use tui_client::{allocator, headless, shown};

fn main() -> ExitCode {
    allocator::be_frugal();
    let now = Zoned::now();
    let invocation = match options::parse(std::env::args_os(), &now) {
        Ok(invocation) => invocation,
        Err(usage) => {
            if usage.exit == Exit::Done {
                print(&usage.text);
            } else {
                complain(&usage.text);
            }
            return usage.exit.into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let what = format!("the system gives no threads: {error}");
            complain(
                &Fault::failed(what, "nothing was done", "end some other programs and try again").to_string(),
            );
            return Exit::Failed.into();
        }
    };
    let ended = runtime.block_on(run(invocation, now));
    // A thread that waits for a disk or for a name to be resolved must not hold up the end.
    runtime.shutdown_background();
    match ended {
        Ok(exit) => exit.into(),
        Err(fault) => {
            complain(&fault.to_string());
            fault.exit.into()
        }
    }
}

async fn run(invocation: Invocation, now: Zoned) -> Result<Exit, Fault> {
    match invocation {
        Invocation::FirstStart(look) => shown::first(look).await,
        Invocation::Run(run) => match run.listener.clone() {
            Listener::Screen(look) => shown::run(run, look).await,
            // Its command hears of it through the socket, and reads only why it could not start.
            Listener::Headless { attached: true, .. } => headless::run_attached(&run).await,
            Listener::Headless { once, json, .. } => {
                log_to_standard_error();
                headless::run(&run, once, json).await
            }
        },
        Invocation::Order(order) => {
            let surroundings = Surroundings {
                config: Config::locate()?,
                program: std::env::current_exe().unwrap_or_else(|_| "tui-client".into()),
                terminal: std::io::stdout().is_terminal(),
                now,
            };
            commands::run(&order, &surroundings, &mut std::io::stdout().lock()).await
        }
    }
}

/// Logs go to standard error; `RUST_LOG` says how much.
fn log_to_standard_error() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}

/// Writes to standard output; that nobody reads it is no failure of ours.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

/// Writes to standard error, as [`print`].
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}
