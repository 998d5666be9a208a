//! The arguments of the programs of this package: options that a number follows, and options that stand alone.

use anyhow::{Context as _, Result, bail};
use std::process::ExitCode;

/// Reads the arguments of this process into what they are for.
///
/// # Errors
/// When one is unknown or lacks its number; the error shows how the program is called.
pub fn read(usage: &str, numbers: &mut [(&str, &mut u64)], flags: &mut [(&str, &mut bool)]) -> Result<()> {
    let mut given = std::env::args().skip(1);
    while let Some(arg) = given.next() {
        if let Some((_, flag)) = flags.iter_mut().find(|(name, _)| *name == arg) {
            **flag = true;
        } else if let Some((_, number)) = numbers.iter_mut().find(|(name, _)| *name == arg) {
            let value = given.next().with_context(|| format!("{arg} needs a number"))?;
            **number = value
                .parse()
                .with_context(|| format!("{arg}: {value} is no number"))?;
        } else {
            bail!("unknown option {arg}; usage: {usage}");
        }
    }
    Ok(())
}

/// Does what was asked for; what was asked for wrongly is told, and is wrong usage.
pub fn run<A>(asked: Result<A>, deed: impl FnOnce(A) -> ExitCode) -> ExitCode {
    match asked {
        Ok(args) => deed(args),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}
