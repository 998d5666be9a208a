//! The form driven by hand, for tests.

use common::fingerprint::Fingerprint;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::form::{Form, Outcome};
use super::{Prefill, Setup};
use crate::notice::Trouble;
use crate::screen::Theme;
use crate::screen::keys::{Key, KeyTable};

/// The form and what came of it.
pub(in crate::screen) struct Driven {
    form: Form,
    probing: Option<String>,
    left: bool,
}

impl Driven {
    pub(in crate::screen) fn new(prefill: Prefill) -> Self {
        let mut form = Form::new(prefill);
        let outcome = form.go_on();
        let mut driven = Self {
            form,
            probing: None,
            left: false,
        };
        driven.note(outcome);
        driven
    }

    fn note(&mut self, outcome: Outcome) -> Option<Setup> {
        match outcome {
            Outcome::Stay => None,
            Outcome::Probe(server) => {
                self.probing = Some(server.to_string());
                None
            }
            Outcome::Done(setup) => Some(setup),
            Outcome::Leave => {
                self.left = true;
                None
            }
        }
    }

    pub(in crate::screen) fn press(&mut self, key: Key) -> Option<Setup> {
        let outcome = super::run::pressed(&mut self.form, &KeyTable::default(), key, None);
        self.note(outcome)
    }

    pub(in crate::screen) fn paste(&mut self, text: &str) {
        self.form.input.paste(text);
    }

    pub(in crate::screen) fn probed(&mut self, found: Result<Fingerprint, Trouble>) -> Option<Setup> {
        self.probing = None;
        let outcome = self.form.probed(found);
        self.note(outcome)
    }

    pub(in crate::screen) fn probing(&self) -> Option<String> {
        self.probing.clone()
    }

    pub(in crate::screen) fn has_left(&self) -> bool {
        self.left
    }

    pub(in crate::screen) fn seen(&self, columns: u16, rows: u16) -> String {
        let theme = Theme::plain(false, false);
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal");
        terminal
            .draw(|frame| super::view::view(&self.form, &theme, frame))
            .expect("a drawing");
        terminal.backend().to_string()
    }
}
