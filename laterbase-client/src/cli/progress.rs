//! Progress bars, on a terminal's stderr and nowhere else.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What a bar counts.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Bytes,
    Events,
}

/// A bar for work of a known length, or a spinner for work of an unknown one.
pub(crate) fn bar(length: Option<u64>, unit: Unit) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    let template = match (length.is_some(), unit) {
        (true, Unit::Bytes) => "{bar:32} {bytes}/{total_bytes} {msg} ({eta} left)",
        (true, Unit::Events) => "{bar:32} {human_pos}/{human_len} events {msg} ({eta} left)",
        (false, Unit::Bytes) => "{spinner} {bytes} {msg}",
        (false, Unit::Events) => "{spinner} {human_pos} events {msg}",
    };
    bar.with_style(ProgressStyle::with_template(template).expect("the templates above are good"))
}
