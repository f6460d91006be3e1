//! The table of options in `docs/operations.md`, made from the command line.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::config::changes::RELOADED;
use crate::config::settings::{key, meaning_and_default};

const START: &str = "<!-- options: written by a test -->\n\n";
const END: &str = "\n<!-- end of options -->";
const WRITE: &str = "LATERBASE_WRITE_TABLES=1 cargo test -p laterbase-server option_table";

fn table() -> String {
    let mut lines = vec![
        "| option | variable | default | SIGHUP | meaning |".to_owned(),
        "| --- | --- | --- | --- | --- |".to_owned(),
    ];
    for option in Settings::options() {
        let value = option.get_value_names().unwrap()[0].replace('|', "\\|");
        let variable = option.get_env().unwrap().to_string_lossy().into_owned();
        let (meaning, default) = meaning_and_default(&option);
        let default = match (option.get_default_values().first(), default) {
            (Some(value), _) => format!("`{}`", value.to_string_lossy()),
            (None, words) => words.unwrap_or_default(),
        };
        let is_reloaded = if RELOADED.contains(&key(&option)) { "yes" } else { "" };
        lines.push(format!(
            "| `--{} {value}` | `{variable}` | {default} | {is_reloaded} | {} |",
            key(&option),
            meaning.replace('|', "\\|"),
        ));
    }
    lines.join("\n") + "\n"
}

#[test]
fn the_page_for_operators_has_the_options_that_there_are() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(START).expect("the page has the mark");
    let (told, after) = rest.split_once(END).expect("the page has the closing mark");
    let made = table();
    if std::env::var_os("LATERBASE_WRITE_TABLES").is_some() {
        fs::write(&path, format!("{before}{START}{made}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(told, made, "docs/operations.md is out of date; write it anew by\n  {WRITE}\n");
}
