#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn object(fields: &[&str]) -> Result<String, String> {
    let fields: Result<Vec<Field>, String> = fields.iter().map(|field| field.parse()).collect();
    object_of(&fields?).map_err(|error| error.to_string())
}

#[track_caller]
fn check(fields: &[&str], expected: &str) {
    assert_eq!(object(fields).as_deref(), Ok(expected), "{fields:?}");
}

#[test]
fn values_are_what_they_look_like() {
    check(&[], "{}");
    check(
        &["qty=12", "kg=1250.50", "on=true", "off=false", "by=null"],
        r#"{"qty":12,"kg":1250.50,"on":true,"off":false,"by":null}"#,
    );
    check(
        &["at=Accra", "dock=007", "lot=1e5", "note=", "say=a=b \"c\""],
        r#"{"at":"Accra","dock":"007","lot":"1e5","note":"","say":"a=b \"c\""}"#,
    );
}

#[test]
fn json_is_taken_as_it_is() {
    check(
        &["bay:=\"7\"", "tags:=[1, \"a\"]", "o:={\"a\":1e5}"],
        r#"{"bay":"7","tags":[1, "a"],"o":{"a":1e5}}"#,
    );
    check(&["a b= c"], r#"{"a b":" c"}"#);
}

#[test]
fn what_says_nothing_is_refused() {
    assert!(object(&["qty"]).unwrap_err().contains("NAME=VALUE"));
    assert!(object(&["=1"]).unwrap_err().contains("NAME=VALUE"));
    assert!(object(&["a:=x"]).unwrap_err().contains("no JSON"));
    assert!(object(&["a=1", "a=2"]).unwrap_err().contains("\"a\" is said twice"));
}
