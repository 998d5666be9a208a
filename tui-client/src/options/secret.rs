//! Secrets on the command line: how an ID or a link is given so that no other user of the computer sees it, and that what
//! is typed in the wrong place is not repeated. Whatever is printed about the command line ends in logs and reports.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, IsTerminal as _, Read, Write as _};
use std::path::Path;

use common::identity::{holds_id, resembles_id};
use common::link::PairingLink;
use zeroize::Zeroizing;

use super::{Usage, wrong};

/// The argument that stands for standard input.
pub(super) const STANDARD_INPUT: &str = "-";
/// The longest line that a secret is read from, in bytes.
const LINE_LEN_MAX: u64 = 4096;

/// Reads a secret from standard input.
pub(super) fn from_standard_input(what: &str) -> Result<Zeroizing<String>, clap::Error> {
    if io::stdin().is_terminal() {
        // Who does not see it will find out.
        let _ = write!(io::stderr(), "{what}, on one line: ");
    }
    line_of(&mut io::stdin().lock()).map_err(|error| {
        wrong(
            format!("cannot read {what} from standard input: {error}"),
            "write it to the program's standard input, on one line",
        )
    })
}

/// Reads a secret from a file.
pub(super) fn from_file(what: &str, path: &Path) -> Result<Zeroizing<String>, clap::Error> {
    let read = || line_of(&mut io::BufReader::new(File::open(path)?));
    read().map_err(|error| {
        let path = sync_engine::name::visible(&path.display().to_string());
        wrong(
            format!("cannot read {what} from {path}: {error}"),
            "name a file that has it on its first line",
        )
    })
}

fn line_of(read: &mut impl BufRead) -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::with_capacity(LINE_LEN_MAX as usize));
    read.take(LINE_LEN_MAX).read_line(&mut line)?;
    let line = Zeroizing::new(line.trim().to_owned());
    if line.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "there is nothing"));
    }
    Ok(line)
}

/// Refuses an ID that stands where none belongs: it would be taken for a name, made a folder, or looked up in the network.
pub(super) fn refuse_misplaced(arguments: &[OsString]) -> Result<(), clap::Error> {
    let mut before = OsStr::new("");
    for argument in arguments {
        let text = argument.to_string_lossy();
        let belongs = before == "--id" || text.starts_with("--id=") || PairingLink::is_meant_by(&text);
        if !belongs && holds_id(&text) {
            return Err(wrong(
                "an account's ID stands where none belongs; it is not repeated here",
                "give it by --id - (on standard input) or --id-file FILE, and the server before the folder; a link begins \
                 with holdfast:// and may be given by - or --link-file FILE",
            ));
        }
        before = argument;
    }
    Ok(())
}

/// Lets a text about the command line go only if it repeats nothing that may be an ID.
pub(super) fn without_id(usage: Usage, arguments: &[OsString]) -> Usage {
    let repeats = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        resembles_id(&argument) && usage.text.contains(&*argument)
    };
    if resembles_id(&usage.text) || arguments.iter().any(repeats) {
        let text = wrong(
            "this is wrong usage; as it holds something like an account's ID, it is not repeated here",
            "see --help for what can be said, and in which order",
        );
        return Usage {
            exit: usage.exit,
            ..Usage::from(text)
        };
    }
    usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_first_line_and_no_more() {
        let of = |bytes: &[u8]| line_of(&mut &*bytes).map(|line| line.to_string());
        assert_eq!(of(b"  secret \r\nmore\n").unwrap(), "secret");
        assert_eq!(of(b"secret").unwrap(), "secret");
        for bad in [&b""[..], b"\nsecret", b"\xff\n"] {
            assert!(of(bad).is_err());
        }
        assert_eq!(of(&[b'x'; 10_000]).unwrap().len(), LINE_LEN_MAX as usize);
    }
}
