//! The questions that are open, so that a storm of notices makes one question, not a thousand: each is asked when
//! nobody waits for its answer already, and not more often than the pause allows.

use crate::control::Ask;

/// The shortest time between two equal questions, in milliseconds.
const PAUSE_MS: u64 = 250;

/// The questions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Questions {
    wanted: Vec<Ask>,
    asked: Vec<(Ask, u64)>,
    flying: Vec<Ask>,
}

impl Questions {
    /// Notes that an answer is wanted that is newer than now.
    pub(crate) fn want(&mut self, ask: Ask) {
        if !self.wanted.contains(&ask) {
            self.wanted.push(ask);
        }
    }

    /// Takes what is to be asked now.
    pub(crate) fn take(&mut self, now_ms: u64) -> Vec<Ask> {
        self.asked
            .retain(|(_, at_ms)| *at_ms <= now_ms && now_ms - at_ms < PAUSE_MS);
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.wanted)
            .into_iter()
            .partition(|ask| !self.flying.contains(ask) && self.asked.iter().all(|(other, _)| other != ask));
        self.wanted = later;
        self.flying.extend(due.iter().cloned());
        self.asked.extend(due.iter().map(|ask| (ask.clone(), now_ms)));
        due
    }

    /// Notes that an answer came.
    pub(crate) fn answered(&mut self, ask: &Ask) {
        self.flying.retain(|other| other != ask);
    }

    /// Returns how long to wait until something can be asked.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.wanted
            .iter()
            .any(|ask| !self.flying.contains(ask))
            .then_some(PAUSE_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_makes_one_question() {
        let mut questions = Questions::default();
        for _ in 0..1000 {
            questions.want(Ask::Status);
        }
        assert_eq!(questions.take(0), [Ask::Status]);
        questions.want(Ask::Status);
        assert_eq!(questions.take(PAUSE_MS), [], "one is on its way");
        questions.answered(&Ask::Status);
        assert_eq!(questions.take(PAUSE_MS), [Ask::Status]);
        questions.answered(&Ask::Status);
        questions.want(Ask::Status);
        assert_eq!(questions.take(PAUSE_MS + 1), [], "too soon");
        assert_eq!(questions.due_ms(), Some(PAUSE_MS));
        assert_eq!(questions.take(2 * PAUSE_MS), [Ask::Status]);
        assert_eq!(questions.due_ms(), None);
    }

    #[test]
    fn a_clock_that_runs_back_stops_no_question() {
        let mut questions = Questions::default();
        questions.want(Ask::Status);
        assert_eq!(questions.take(1_000_000), [Ask::Status]);
        questions.answered(&Ask::Status);
        questions.want(Ask::Status);
        assert_eq!(questions.take(5), [Ask::Status]);
    }
}
