use super::{check, headings};
use crate::tidy::tree::TextFile;

/// The lines with findings, in a page at `docs/page.md` beside a few other files.
#[track_caller]
fn check_lines(page: &str, lines: &[usize]) {
    let page = TextFile::sample("docs/page.md", page);
    let files = [
        TextFile::sample("README.md", "# Late base, really?\n"),
        TextFile::sample("docs/format.md", "# Format\n## The `record`\n"),
        TextFile::sample("docs/page.md", &page.text),
    ];
    let found: Vec<_> = check(&page, &files).into_iter().map(|finding| finding.line).collect();
    assert_eq!(found, lines);
}

#[test]
fn links_to_files_folders_and_headings_that_are_there_pass() {
    check_lines("[a](format.md) [b](../README.md \"title\") [c](../docs) [d](./format.md)\n", &[]);
    check_lines("[a](format.md#the-record) [b](../README.md#late-base-really)\n", &[]);
    check_lines("# Here\n[a](#here)\n[b]: format.md\n", &[]);
}

#[test]
fn links_to_files_and_headings_that_are_not_there_are_found() {
    check_lines("fine\n[a](gone.md)\n", &[2]);
    check_lines("[a](README.md) and [b](format.md) and [c](format.txt)\n", &[1, 1]);
    check_lines("[a](format.md#gone)\n[b](#gone)\n", &[1, 2]);
    check_lines("[a]: ../gone.md\n", &[1]);
}

#[test]
fn links_with_a_scheme_and_links_in_code_are_left_alone() {
    check_lines("[a](https://example.org/x) [b](mailto:a@example.org)\n", &[]);
    check_lines("`[a](gone.md)`\n```md\n[a](gone.md)\n```\n", &[]);
}

#[test]
fn headings_in_code_blocks_are_not_headings() {
    let file = TextFile::sample("a.md", "# One\n```sh\n# Two\n```\n#three\n");
    assert_eq!(headings(&file).into_iter().collect::<Vec<_>>(), ["one"]);
}
