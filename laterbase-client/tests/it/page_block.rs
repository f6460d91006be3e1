//! Parts of `docs/protocol.md` that tests write and check.

use std::fs;
use std::path::PathBuf;

/// Compares what stands between two marks on the page with what was measured, or puts that there
/// if `LATERBASE_WRITE_TABLES` is set. Numbers may differ by a few percent.
#[track_caller]
pub(crate) fn check_block(name: &str, measured: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    let page = fs::read_to_string(&path).unwrap();
    let (start, end) =
        (format!("<!-- {name}: written by a test -->\n\n"), format!("\n<!-- end of {name} -->"));
    let (before, rest) = page.split_once(&start).expect("the page has the mark");
    let (block, after) = rest.split_once(&end).expect("the page has the closing mark");
    if std::env::var_os("LATERBASE_WRITE_TABLES").is_some() {
        fs::write(&path, format!("{before}{start}{measured}{end}{after}")).unwrap();
        return;
    }
    let is_same = block.lines().count() == measured.lines().count()
        && block.lines().zip(measured.lines()).all(|(told, found)| is_near(told, found));
    assert!(
        is_same,
        "write the page anew with LATERBASE_WRITE_TABLES=1; it says\n{block}\nand measured was\n{measured}"
    );
}

/// Whether two lines say the same, but for numbers that differ by 3 % or 16.
fn is_near(told: &str, found: &str) -> bool {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let (told, found) = (cells(told), cells(found));
    told.len() == found.len()
        && told.iter().zip(&found).all(|(told, found)| match (told.parse::<u64>(), found.parse()) {
            (Ok(told), Ok(found)) if told > 99 => told.abs_diff(found) <= 16 + told * 3 / 100,
            _ => told == found,
        })
}
