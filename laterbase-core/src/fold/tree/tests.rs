#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

fn written(tree: &Tree) -> String {
    let mut out = Vec::new();
    tree.write(&mut out);
    String::from_utf8(out).unwrap()
}

fn parsed(json: &str) -> Tree {
    Tree::parse(json.as_bytes()).unwrap()
}

#[track_caller]
fn check_kept(json: &str) {
    assert_eq!(written(&parsed(json)), json);
}

#[test]
fn numbers_and_strings_stay_as_they_were_written() {
    for json in ["-0", "1E2", "1e-400", "1e400", "1.0", "8.009996726835691e-16", "0.10", "\"\""] {
        check_kept(json);
        check_kept(&format!("{{\"v\":[{json},{{\"w\":{json}}}]}}"));
    }
    check_kept(&"9".repeat(300));
    check_kept(r#""\u00e9\/\u0000\ud83d\ude00é\n""#);
}

#[test]
fn members_are_in_the_order_of_their_names_and_the_last_of_a_name_counts() {
    assert_eq!(
        written(&parsed(r#" { "b" : [ 1 , 2 ], "a" : 0, "b": { } } "#)),
        r#"{"a":0,"b":{}}"#
    );
    // The same name, written in two ways.
    assert_eq!(written(&parsed(r#"{"a":0,"\u0061":1}"#)), r#"{"\u0061":1}"#);
    let mut tree = parsed(r#"{"\u0061":1,"Z":2}"#);
    tree.merge(parsed(r#"{"a":3,"\u005a":null}"#));
    assert_eq!(written(&tree), r#"{"a":3}"#);
}

#[test]
fn a_patch_of_every_depth_that_is_let_in_is_merged() {
    let deep = |leaf: &str| format!("{}{leaf}{}", "{\"a\":".repeat(128), "}".repeat(128));
    let mut tree = Tree::empty();
    tree.merge(parsed(&deep("1")));
    tree.merge(parsed(&deep("2")));
    check_kept(&written(&tree));
    assert_eq!(written(&tree), deep("2"));
    tree.merge(parsed(&deep("null")));
    assert_eq!(written(&tree), deep("").replace("\"a\":}", "}"));
    assert_eq!(Tree::parse(deep("[]").as_bytes()), Err(DataError::TooDeep));
}

/// RFC 7396 over another library's values, whose numbers are few enough here to survive in them.
fn merge_values(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (name, value) in patch {
        let target = target.as_object_mut().unwrap();
        if value.is_null() {
            target.remove(&name);
        } else {
            merge_values(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

fn document() -> impl Strategy<Value = String> {
    let leaf = "[0-9]|\"[a-c]?\"|null|\\[[0-9]\\]";
    leaf.prop_recursive(4, 30, 4, |inner| {
        prop::collection::vec(("[a-c]|\\\\u006[1-3]", inner), 0..4).prop_map(|members| {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
            format!("{{{}}}", members.join(", "))
        })
    })
}

proptest! {
    #[test]
    fn merging_does_what_a_merge_of_values_does(
        patches in prop::collection::vec(document(), 0..6),
    ) {
        let (mut tree, mut value) = (Tree::empty(), Value::Object(Map::new()));
        for patch in &patches {
            tree.merge(parsed(patch));
            merge_values(&mut value, serde_json::from_str(patch).unwrap());
        }
        let json = written(&tree);
        prop_assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
        // Through a snapshot.
        prop_assert_eq!(parsed(&json), tree);
    }
}
