//! The events of a headless client: what `--json` prints, as values.

use crate::lines::Lines;
use serde_json::Value;
use std::time::Duration;

/// One line of a client's standard output.
#[derive(Debug, Clone, PartialEq)]
pub struct Event(pub Value);

impl Event {
    /// Returns the event's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text("event")
    }

    /// Tells whether the event has this name.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name() == name
    }

    /// Returns a field that is text; the empty text when there is none.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns a field that is a whole number.
    #[must_use]
    pub fn number(&self, field: &str) -> Option<u64> {
        self.0.get(field).and_then(Value::as_u64)
    }
}

/// The events of one run of a client, gathered as they come.
#[derive(Debug, Clone)]
pub struct Events(Lines);

impl Events {
    /// Reads a stream of lines as events. Lines that are no JSON object are passed over here; a test of the output
    /// looks at the lines themselves.
    #[must_use]
    pub fn of(lines: Lines) -> Self {
        Self(lines)
    }

    /// Returns a mark: events from now on come after it.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.0.count()
    }

    /// Waits for the first event after `mark` that is wanted. Returns nothing when the time is over or the client ends
    /// before.
    pub fn wait_for(&self, mark: usize, timeout: Duration, wanted: impl Fn(&Event) -> bool) -> Option<Event> {
        self.0.wait(mark, timeout, |line| {
            let event = Event(serde_json::from_str(line).ok()?);
            wanted(&event).then_some(event)
        })
    }

    /// Returns all events so far.
    #[must_use]
    pub fn all(&self) -> Vec<Event> {
        let text = self.0.text();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .map(Event)
            .collect()
    }
}
