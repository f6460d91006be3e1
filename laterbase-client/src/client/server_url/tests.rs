#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[track_caller]
fn check_refused(text: &str, why: &str) {
    let error = text.parse::<ServerUrl>().unwrap_err().to_string();
    assert!(error.contains(why), "{text}: {error}");
}

#[test]
fn segments_and_queries_are_escaped() {
    let url: ServerUrl = "http://127.0.0.1:7070".parse().unwrap();
    let uri = url
        .resource(&["a", "flight", "UA1545/2013-01-01/EWR"], &[("after", "ä &=".to_owned())])
        .unwrap();
    assert_eq!(
        uri.to_string(),
        "http://127.0.0.1:7070/a/flight/UA1545%2F2013-01-01%2FEWR?after=%C3%A4%20%26%3D"
    );
}

#[test]
fn the_root_of_a_server_is_a_slash() {
    let url: ServerUrl = "http://depot".parse().unwrap();
    assert_eq!(url.resource(&[], &[]).unwrap().to_string(), "http://depot/");
}

#[test]
fn a_server_may_be_mounted_under_a_path() {
    let url: ServerUrl = "https://depot.example/laterbase/".parse().unwrap();
    assert_eq!(
        url.resource(&["e", "shipment"], &[]).unwrap().to_string(),
        "https://depot.example/laterbase/e/shipment"
    );
    assert_eq!(url.to_string(), "https://depot.example/laterbase");
}

#[test]
fn what_is_no_base_url_is_refused() {
    check_refused("depot:7070", "http://");
    check_refused("ftp://depot", "http://");
    check_refused("http://user:word@depot", "user name");
    check_refused("http://depot/?a=b", "query");
    check_refused("", "");
}
