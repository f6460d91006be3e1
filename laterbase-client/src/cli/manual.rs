//! `laterbase completions` and `laterbase man`: what the command says of itself, in the forms that
//! shells and `man` read.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use super::output::Output;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The folder, which is made if there is none.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(crate) fn complete(args: &CompletionsArgs, output: &mut Output) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "laterbase", &mut script);
    output.text(&script)
}

pub(crate) fn write_pages(args: &ManArgs, output: &mut Output) -> anyhow::Result<()> {
    let folder = &args.folder;
    let written =
        fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.with_context(|| format!("cannot write into {}", folder.display()))?;
    output.line(format_args!("wrote the manual's pages into {}", folder.display()))
}
