//! The client with the screen: what is missing is asked for, then the client is started and shown.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use common::certificate::Certificate;
use common::fingerprint::Fingerprint;
use common::link::{ParseAddressError, ServerAddress};

use crate::client;
use crate::config::Config;
use crate::fault::{Exit, Fault};
use crate::net::connect::probe;
use crate::net::{Endpoint, ServerKey, TlsDial, Voucher};
use crate::notice::Trouble;
use crate::options::{FirstTrust, Listener, Look, Run, Start};
use crate::screen::{self, Client, Join, Prefill, ScreenError, ScreenOptions, Setup, Theme};

/// Asks for everything, then shows the client.
///
/// # Errors
/// When the terminal or the client cannot be used.
pub async fn first(look: Look) -> Result<Exit, Fault> {
    check_terminal()?;
    ask_and_run(Prefill::default(), look, None).await
}

/// Shows a client, after asking for what is missing.
///
/// # Errors
/// When the terminal or the client cannot be used.
pub async fn run(run: Run, look: Look) -> Result<Exit, Fault> {
    check_terminal()?;
    if let Some(prefill) = missing(&run) {
        return ask_and_run(prefill, look, Some(run)).await;
    }
    show(run, look).await
}

/// Refuses to draw where nobody looks: what reads a pipe wants no codes for a terminal.
fn check_terminal() -> Result<(), Fault> {
    if std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Fault {
        exit: Exit::Usage,
        ..Fault::failed(
            "there is no terminal for the screen",
            "nothing was started",
            "use a terminal, or add --headless; `tui-client status FOLDER` tells how a folder stands, and --help what \
             else can be asked",
        )
    })
}

/// What has to be asked before a client may be started: a server that is not known yet, whose key a person compares.
fn missing(run: &Run) -> Option<Prefill> {
    let (server, id) = client::unvouched(run)?;
    Some(Prefill {
        server: Some(server.to_string()),
        folder: Some(run.folder.clone()),
        id: Some(id.reveal().to_string()),
        fingerprint: None,
        new: false,
    })
}

async fn ask_and_run(prefill: Prefill, look: Look, given: Option<Run>) -> Result<Exit, Fault> {
    let theme = options(PathBuf::new(), look)?.theme;
    let Some(setup) = screen::first_start(prefill, theme, reach)
        .await
        .map_err(|error| broken(&error))?
    else {
        return Ok(Exit::Done);
    };
    let Setup {
        server,
        folder,
        join,
        fingerprint,
    } = setup;
    let id = match join {
        Join::New => None,
        Join::Join(id) => Some(id),
    };
    let start = Start::Server {
        server,
        id,
        trust: FirstTrust::Pinned(fingerprint),
    };
    let run = match given {
        Some(run) => Run { folder, start, ..run },
        None => Run {
            folder,
            start,
            rescan: std::time::Duration::from_secs(3600),
            device_name: None,
            listener: Listener::Screen(look),
        },
    };
    show(run, look).await
}

/// Reaches for a server as far as its key.
async fn reach(server: String) -> Result<Fingerprint, Trouble> {
    let unusable = |what: String| Trouble {
        what,
        done: "nothing was sent".into(),
        todo: "type the address as HOST or HOST:PORT".into(),
    };
    let address: ServerAddress = server
        .parse()
        .map_err(|error: ParseAddressError| unusable(error.to_string()))?;
    let certificate = Certificate::generate(&[]).map_err(|error| unusable(error.to_string()))?;
    let endpoint = Endpoint {
        dial: Arc::new(TlsDial),
        address: address.clone(),
        key: Arc::new(ServerKey::not_kept(Voucher::Nobody)),
        certificate: Arc::new(certificate),
    };
    probe(&endpoint).await.map_err(|error| error.trouble(&address))
}

async fn show(run: Run, look: Look) -> Result<Exit, Fault> {
    let options = options(run.folder.clone(), look)?;
    let mut running = client::start(&run, false).await?;
    let shown = Client {
        asks: running.asks.clone(),
        notices: running.listen(),
    };
    let ended = screen::run(shown, options).await;
    running.stop().await;
    ended.map_err(|error| broken(&error))?;
    Ok(Exit::Done)
}

/// Brings together what the command line and the person's own file say of the screen.
fn options(folder: PathBuf, look: Look) -> Result<ScreenOptions, Fault> {
    let options = ScreenOptions {
        mouse: look.mouse,
        theme: Theme::from_environment().with_ascii(look.ascii),
        ..ScreenOptions::new(folder)
    };
    let config = Config::locate()?;
    match config.screen_settings()? {
        None => Ok(options),
        Some(settings) => options.with_settings(&settings).map_err(|error| {
            let path = config.screen_path();
            Fault::failed(
                format!("{}: {}", path.display(), crate::fault::chain(&error)),
                "nothing was started",
                "mend that file, or remove it",
            )
        }),
    }
}

fn broken(error: &ScreenError) -> Fault {
    Fault::failed(
        crate::fault::chain(error),
        "the client was ended in good order",
        "use a terminal, or add --headless",
    )
}
