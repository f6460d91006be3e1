#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn a_filter_is_levels_and_names_with_levels() {
    for text in [None, Some(""), Some(" info "), Some("WARN"), Some("info,access=off,hyper=trace")]
    {
        assert!(filter(text).is_ok(), "{text:?}");
    }
    for text in ["inof", "info,acces", "access=luod", "info,,x y"] {
        assert!(filter(Some(text)).is_err(), "{text}");
    }
    assert!(filter(Some("inof")).unwrap_err().to_string().contains("\"inof\" is no level"));
}

#[test]
fn a_log_is_text_unless_it_is_to_be_json() {
    assert_eq!(Format::of(None).unwrap(), Format::Text);
    assert_eq!(Format::of(Some("json")).unwrap(), Format::Json);
    assert!(Format::of(Some("xml")).is_err());
}
