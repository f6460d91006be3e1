//! The program's command line.

use std::env;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches, Parser};

use crate::config::Flags;

/// Serves a Laterbase replica over HTTP.
///
/// Without --root it takes every root and folds it by merge-patch.
#[derive(Debug, Parser)]
#[command(name = "laterbase-server", version, args_conflicts_with_subcommands = true)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub flags: Flags,

    #[command(subcommand)]
    pub action: Option<Action>,
}

/// What else the program does.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Prints or checks what a server would go by that was started with the same flags, variables
    /// and file; opens nothing
    Config(Box<ConfigArgs>),
    /// Asks a running server whether it takes writes; the exit code is 0 if it does
    Health(Box<HealthArgs>),
    /// Writes the manual's pages
    Man(ManArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    /// Print every value as the file has it, and where it comes from
    #[arg(long, conflicts_with = "check", required_unless_present = "check")]
    pub print: bool,

    /// Say everything that is wrong, and exit with 1 if anything is
    #[arg(long)]
    pub check: bool,

    #[command(flatten)]
    pub flags: Flags,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HealthArgs {
    /// The server to ask, such as http://127.0.0.1:4920 [default: the address that flags, variables
    /// and file say it listens on]
    #[arg(value_name = "URL")]
    pub url: Option<String>,

    #[command(flatten)]
    pub flags: Flags,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// The folder, which is made if there is none
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

impl CommandLine {
    /// Reads flags and environment. Ends the process where they cannot be understood.
    pub(crate) fn read() -> (Self, ArgMatches) {
        let matches = without_empties(Self::command()).get_matches();
        let read = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        (read, matches)
    }
}

/// The command line, for which an environment variable that is empty is not set. That is how
/// shells, units and compose files leave one out.
fn without_empties(command: Command) -> Command {
    let command = command.mut_args(|argument| {
        let is_empty = argument
            .get_env()
            .and_then(env::var_os)
            .is_some_and(|value| value.to_str().is_some_and(|text| text.trim().is_empty()));
        if is_empty { argument.env(Resettable::Reset) } else { argument }
    });
    command.mut_subcommands(without_empties)
}
