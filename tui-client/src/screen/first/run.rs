//! The loop of the first start: the same as the screen's, with one question to the network.

use std::pin::Pin;

use common::fingerprint::Fingerprint;
use crossterm::event::EventStream;

use super::Setup;
use super::form::{Form, Outcome, Stage};
use crate::notice::Trouble;
use crate::screen::keys::{Action, Context, Key, KeyTable};
use crate::screen::message::Message;
use crate::screen::run::{heard, next_event};
use crate::screen::signals::Signals;
use crate::screen::terminal::Guard;
use crate::screen::update::stroke;
use crate::screen::{ScreenError, Theme};

type Probing<'a> = Pin<Box<dyn Future<Output = Result<Fingerprint, Trouble>> + 'a>>;

/// Asks until all is known or the person leaves.
pub(super) async fn run<P>(mut form: Form, theme: Theme, probe: P) -> Result<Option<Setup>, ScreenError>
where
    P: AsyncFn(String) -> Result<Fingerprint, Trouble>,
{
    let mut guard = Guard::take(false)?;
    let mut events = Some(EventStream::new());
    let mut signals = Signals::new()?;
    let keys = KeyTable::default();
    let home = etcetera::home_dir().ok();
    let mut probing: Option<Probing<'_>> = None;
    let mut outcome = form.go_on();
    loop {
        match outcome {
            Outcome::Stay => (),
            Outcome::Probe(server) => probing = Some(Box::pin(probe(server.to_string()))),
            Outcome::Done(setup) => return Ok(Some(setup)),
            Outcome::Leave => return Ok(None),
        }
        if form.stage != Stage::Reaching {
            // Whoever went back does not wait for the answer any more.
            probing = None;
        }
        guard
            .terminal
            .draw(|frame| super::view::view(&form, &theme, frame))?;
        outcome = tokio::select! {
            event = next_event(&mut events) => match heard(event?) {
                Some(Message::Key(key)) => pressed(&mut form, &keys, key, home.as_deref()),
                Some(Message::Paste(text)) => {
                    form.input.paste(&text);
                    Outcome::Stay
                }
                _ => Outcome::Stay,
            },
            found = probed(&mut probing) => {
                probing = None;
                form.probed(found)
            }
            () = signals.any() => return Ok(None),
        };
    }
}

async fn probed(probing: &mut Option<Probing<'_>>) -> Result<Fingerprint, Trouble> {
    match probing {
        Some(probing) => probing.await,
        None => std::future::pending().await,
    }
}

/// Does what a key asks for.
pub(super) fn pressed(form: &mut Form, keys: &KeyTable, key: Key, home: Option<&std::path::Path>) -> Outcome {
    let typing = matches!(form.stage, Stage::Server | Stage::Folder | Stage::Id);
    let context = if typing { Context::Typing } else { Context::Asking };
    match keys.action(&[context], key) {
        Some(Action::Quit) => return Outcome::Leave,
        Some(Action::Back) => return form.back(),
        Some(Action::Enter) => return form.enter(home),
        Some(Action::NextPane) => form.turn(false),
        Some(Action::PreviousPane) => form.turn(true),
        _ => {
            if let Some(stroke) = stroke(key).filter(|_| typing) {
                form.complaint = None;
                form.input.stroke(stroke);
            }
        }
    }
    Outcome::Stay
}
