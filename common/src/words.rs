//! What both programs say to people in the same words: the three parts of a message, wrong usage, numbers. Nothing in it
//! can trick a terminal, and no message of the language or the system's number of an error stands in it.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use sync_engine::name::visible;

/// Writes what happened, what was done about it and what to do, each on a line of its own.
///
/// # Errors
/// When it cannot be written.
pub fn write_parts(f: &mut fmt::Formatter<'_>, what: &str, done: &str, todo: &str) -> fmt::Result {
    write!(
        f,
        "error: {}\n  done: {}\n  next: {}",
        plain(what),
        plain(done),
        plain(todo)
    )
}

/// Makes a text safe to show, on one line, and takes out the numbers of the system's errors.
#[must_use]
pub fn plain(text: &str) -> String {
    visible(&without_numbers(text))
}

/// Takes ` (os error 2)` and the like out of a text.
fn without_numbers(text: &str) -> String {
    const BEGIN: &str = " (os error ";
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once(BEGIN) {
        kept.push_str(before);
        let end = after
            .trim_start_matches('-')
            .trim_start_matches(|c: char| c.is_ascii_digit());
        rest = end.strip_prefix(')').unwrap_or(end);
    }
    kept.push_str(rest);
    kept
}

/// Wrong usage as both programs tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongUsage {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub todo: String,
}

impl WrongUsage {
    /// Takes the parts out of what the reader of the command line says: what is wrong, how it is written, and a tip.
    #[must_use]
    pub fn of(text: &str, program: &str) -> Self {
        let (mut what, mut tip, mut usage) = (String::new(), None, None);
        for paragraph in text.split("\n\n") {
            let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
            if let Some(said) = line.strip_prefix("error: ") {
                said.clone_into(&mut what);
            } else if let Some(said) = line.strip_prefix("tip: ") {
                tip.get_or_insert(said.to_owned());
            } else if let Some(said) = line.strip_prefix("Usage: ") {
                usage = Some(said.to_owned());
            } else if let Some(said) = line.strip_prefix("[possible values: ") {
                what = format!("{what}; it can be {}", said.trim_end_matches(']'));
            }
        }
        if what.is_empty() {
            // It begins with its help: what was left out is what to do.
            "it is not said what to do".clone_into(&mut what);
        }
        let help = format!("see `{program} --help`");
        let todo = match (tip, usage) {
            (Some(tip), _) => format!("{tip}; {help}"),
            (None, Some(usage)) => format!("write `{usage}`; {help}"),
            (None, None) => help,
        };
        Self { what, todo }
    }
}

/// Returns what reads a whole number in a range from the command line, and says in words what is wrong with another.
pub fn number<N>(
    what: &'static str,
    range: RangeInclusive<N>,
) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static
where
    N: FromStr + PartialOrd + fmt::Display + Clone + Send + Sync + 'static,
{
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            format!(
                "it has to be {what}: a whole number from {} to {}",
                range.start(),
                range.end()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_system_and_tricks_are_taken_out() {
        assert_eq!(
            plain("cannot: No such file (os error 2); x"),
            "cannot: No such file; x"
        );
        assert_eq!(plain("a (os error -3): b (os error 17)"), "a: b");
        assert_eq!(plain("(os error of mine"), "(os error of mine");
        assert_eq!(plain("a\u{9b}2J\nb"), "a\\u{9b}2J\\u{a}b");
    }

    #[test]
    fn wrong_usage_has_its_parts_wherever_they_stand() {
        let text = "error: the following required arguments were not provided:\n  <FOLDER>\n\nUsage: p status <FOLDER>\n\n\
                    For more information, try '--help'.\n";
        let wrong = WrongUsage::of(text, "p");
        assert_eq!(
            wrong.what,
            "the following required arguments were not provided: <FOLDER>"
        );
        assert_eq!(wrong.todo, "write `p status <FOLDER>`; see `p --help`");
        let wrong = WrongUsage::of("error: unexpected\n\n  tip: do\n    that\n\nUsage: p\n", "p");
        assert_eq!(
            (wrong.what.as_str(), wrong.todo.as_str()),
            ("unexpected", "do that; see `p --help`")
        );
    }

    #[test]
    fn a_number_is_read_or_refused_in_words() {
        let read = number("the port", 0_u16..=u16::MAX);
        assert_eq!(read("7733"), Ok(7733));
        for bad in ["abc", "", "99999", "-1", "1.5", "99999999999999999999999"] {
            let said = read(bad).unwrap_err();
            assert_eq!(
                said, "it has to be the port: a whole number from 0 to 65535",
                "{bad}"
            );
        }
    }
}
