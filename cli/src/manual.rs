//! What is made of the command line's own description: shell completions and man pages.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::arguments::Arguments;
use crate::error::Error;

/// The shell.
#[derive(Debug, Args)]
pub struct CompletionOptions {
    /// Shell that is to complete
    pub shell: Shell,
}

/// Where the pages go.
#[derive(Debug, Args)]
pub struct ManOptions {
    /// Directory to write trips.1, trips-watch.1 and so on into; without it, trips.1 is printed
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// Prints a shell's completions.
///
/// # Errors
/// They cannot be written.
pub fn print_completions(options: &CompletionOptions) -> Result<ExitCode, Error> {
    let mut script = Vec::new();
    clap_complete::generate(
        options.shell,
        &mut Arguments::command(),
        "trips",
        &mut script,
    );
    print(&script)
}

/// Prints the man page, or writes all of them.
///
/// # Errors
/// They cannot be written.
pub fn write_pages(options: &ManOptions) -> Result<ExitCode, Error> {
    let mut command = Arguments::command();
    command.build();
    let Some(directory) = &options.output else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page).map_err(unwritten)?;
        return print(&page);
    };
    std::fs::create_dir_all(directory).map_err(unwritten)?;
    clap_mangen::generate_to(Arguments::command(), directory).map_err(unwritten)?;
    Ok(ExitCode::SUCCESS)
}

fn print(text: &[u8]) -> Result<ExitCode, Error> {
    match io::stdout().write_all(text) {
        // Who reads has had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(unwritten(error)),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

fn unwritten(error: io::Error) -> Error {
    Error::new(format!("could not write: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
