use super::*;

fn key(texts: &[&str]) -> String {
    key_of(texts.iter().copied())
}

#[test]
fn different_cells_have_different_keys() {
    assert_eq!(key(&["S-1", "Arrived", "7"]), r#"["S-1","Arrived","7"]"#);
    assert_ne!(key(&["a,b", "c"]), key(&["a", "b,c"]));
    assert_ne!(key(&["a\",\"b"]), key(&["a", "b"]));
    assert_ne!(key(&["a", ""]), key(&["", "a"]));
}

#[test]
fn a_key_that_would_be_too_long_is_a_hash() {
    let long = "x".repeat(300);
    let hash = key(&[&long, "a"]);
    assert!(hash.starts_with("blake3:") && hash.len() <= NAME_BYTES_MAX, "{hash}");
    assert_ne!(hash, key(&[&long, "b"]));
    assert_eq!(key(&[&"x".repeat(NAME_BYTES_MAX - 4)]).len(), NAME_BYTES_MAX);
}
