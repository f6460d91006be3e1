use super::*;

#[test]
fn a_tree_shows_numbers_and_texts_as_they_were_written() {
    let text = br#"{"n":12345678901234567890.10,"a":[1,{"b":null}],"t":"<i>\u202e","a":[]}"#;
    let shown = tree(text).into_string();
    for part in ["12345678901234567890.10", "&lt;i&gt;", "U+202E", "{4}", "[2]", "null"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!shown.contains("<i>"));
}

#[test]
fn what_is_long_or_cannot_be_read_is_cut_and_said() {
    let many = format!("[{}1]", "1,".repeat(20_000));
    let shown = tree(many.as_bytes()).into_string();
    assert!(shown.contains("and 18002 more") && shown.len() < 200_000, "{}", shown.len());
    let long = format!("\"{}\"", "x".repeat(TREE_BYTES_MAX));
    let shown = tree(long.as_bytes()).into_string();
    assert!(shown.contains("this is how it begins") && shown.len() < TREE_BYTES_MAX);
    assert!(tree(b"{broken").into_string().contains("no JSON"));
    let deep = "[".repeat(127) + &"]".repeat(127);
    assert_eq!(tree(deep.as_bytes()).into_string().matches("<details").count(), 126);
}

#[test]
fn an_excerpt_is_one_line() {
    assert_eq!(excerpt(b"{\n  \"a\": 1\n}", 100), "{ \"a\": 1 }");
    assert_eq!(excerpt("aé".as_bytes(), 2), "a\u{fffd}…");
}
