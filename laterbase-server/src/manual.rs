//! The program's manual, made from its command line.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::command_line::CommandLine;

/// Writes the pages into a folder.
pub(crate) fn write_pages(folder: &Path) -> anyhow::Result<()> {
    let command = CommandLine::command();
    let written =
        fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written.with_context(|| format!("cannot write into {}", folder.display()))
}
