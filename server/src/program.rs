//! The program: reads its arguments, does what they ask, and says how it ended.

use clap::Parser;
use clap::error::ErrorKind;
use common::certificate::{Certificate, CertificateFiles};
use common::file::IfExists;
use common::words::WrongUsage;
use std::ffi::OsString;
use std::io::{IsTerminal as _, Write};
use std::process::ExitCode;

use crate::admin;
use crate::arguments::{Arguments, ServeArguments};
use crate::running::Server;
use crate::trouble::{Trouble, certificate_todo, with_reasons};

/// How the program ends when something failed.
const FAILED: u8 = 1;
/// How the program ends when it was called wrongly.
const WRONG_USAGE: u8 = 2;

/// Runs the program.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return say_usage(&error),
    };
    start_log();
    match perform(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::from(FAILED)
        }
    }
}

fn say_usage(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Nobody may be reading.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        _ => {
            let WrongUsage { what, todo } = WrongUsage::of(&error.to_string(), "server");
            let trouble = Trouble::new(what, "nothing was started or changed", todo);
            eprintln!("{trouble}");
            ExitCode::from(WRONG_USAGE)
        }
    }
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // A log that is set up already, by a test, stays.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
}

fn perform(arguments: &Arguments) -> Result<(), Trouble> {
    match &arguments.command {
        Some(command) => admin::perform(command),
        None if arguments.serve.gen_cert || arguments.serve.rotate_cert => make_certificate(&arguments.serve),
        None => serve(&arguments.serve),
    }
}

fn make_certificate(arguments: &ServeArguments) -> Result<(), Trouble> {
    let mut names = Certificate::local_names();
    names.extend(arguments.host.iter().cloned());
    let files = CertificateFiles::of_server(&arguments.certs);
    let made = if arguments.rotate_cert {
        Certificate::rotate(&files, &names)
    } else if arguments.force {
        Certificate::create(&files, &names, IfExists::Replace)
    } else {
        Certificate::create(&files, &names, IfExists::Fail)
    };
    let made = made.map_err(|error| {
        Trouble::new(
            format!(
                "no certificate was made in {}: {}",
                arguments.certs.display(),
                with_reasons(&error)
            ),
            "the key that was there is unchanged",
            certificate_todo(&error),
        )
    })?;
    print_line(&format!("fingerprint={}", made.fingerprint()))
}

fn serve(arguments: &ServeArguments) -> Result<(), Trouble> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Trouble::new(
                format!("the system gave no threads: {error}"),
                "the server did not start",
                "see how many processes and threads this user may have",
            )
        })?;
    runtime.block_on(async {
        let mut options = arguments.options();
        options.limits.connections_max = crate::descriptors::connections_max(options.limits.connections_max);
        let running = Server::start(options).await.map_err(|error| error.trouble())?;
        let stop = stop_requests();
        print_line(&format!(
            "ready addr={} fingerprint={}",
            running.local_addr(),
            running.fingerprint()
        ))?;
        tracing::info!(data = %arguments.data.display(), "serving");
        let result = tokio::select! {
            trouble = running.failed() => Err(trouble),
            () = stop => Ok(()),
        };
        tracing::info!("stopping");
        running.shutdown().await;
        result
    })
}

/// Prints a line on standard output, at once.
pub(crate) fn print_line(line: &str) -> Result<(), Trouble> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|error| {
            Trouble::new(
                format!("standard output cannot be written: {error}"),
                "the program ended",
                "see where its output goes",
            )
        })
}

/// Begins to listen for someone who asks the program to stop, and returns what waits for it. From here on the request
/// is not lost, so this comes before the server says that it is ready.
#[cfg(unix)]
fn stop_requests() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [SignalKind::terminate(), SignalKind::interrupt()];
    let [terminate, interrupt] = kinds.map(|kind| signal(kind).ok());
    let one = |signal: Option<tokio::signal::unix::Signal>| async move {
        match signal {
            Some(mut signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    };
    async move {
        tokio::select! {
            () = one(terminate) => (),
            () = one(interrupt) => (),
        }
    }
}

/// Begins to listen for someone who asks the program to stop, and returns what waits for it. From here on the request
/// is not lost, so this comes before the server says that it is ready.
#[cfg(windows)]
fn stop_requests() -> impl Future<Output = ()> {
    let signal = tokio::signal::windows::ctrl_c().ok();
    async move {
        match signal {
            Some(mut signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }
}
