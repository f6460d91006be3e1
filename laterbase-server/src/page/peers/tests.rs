use std::net::{IpAddr, Ipv4Addr};

use laterbase_core::id::ReplicaId;

use super::*;
use crate::callers::Traffic;

fn peer(lacks: Option<u64>, lacks_at_most: bool, behind_seconds: Option<u64>) -> Surveyed {
    Surveyed {
        replica: Some(ReplicaId::from_bytes([7; 16])),
        called: Some("truck <7>".to_owned()),
        clock_ahead: Some(-7_300),
        address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        met: 0,
        seen: 1_700_000_000_000_000_000,
        roots: None,
        lacks,
        lacks_at_most,
        behind_seconds,
        held: None,
        traffic: Traffic::default(),
    }
}

#[test]
fn a_row_says_how_much_is_lacking_and_for_how_long() {
    for (peer, expected) in [
        (peer(Some(0), false, Some(0)), ["nothing", ""]),
        (peer(Some(12), false, Some(59)), ["12", "59\u{a0}seconds"]),
        (peer(Some(2), false, Some(1)), ["2", "1\u{a0}second"]),
        (peer(Some(9), true, Some(7_300)), ["up to 9", "2\u{a0}hours"]),
        (peer(Some(9), true, Some(86_400 * 33)), ["up to 9", "33\u{a0}days"]),
        (peer(None, false, None), ["not known", ""]),
    ] {
        let row = row(&peer).into_string();
        let [lacks, behind] = expected;
        assert!(
            row.contains(&format!("<td class=\"number\">{lacks}</td><td>{behind}</td>")),
            "{row}"
        );
        assert!(row.contains("<td><bdi>truck &lt;7&gt;</bdi></td>"), "{row}");
        assert!(row.contains("<td>2\u{a0}hours behind</td>"), "{row}");
        assert!(row.contains("<td>127.0.0.1</td>") && row.contains(&"07".repeat(16)), "{row}");
    }
}

#[test]
fn of_many_the_first_are_listed_and_the_others_counted() {
    let told = list(&vec![peer(Some(1), false, Some(2)); PEERS_MAX + 3]).into_string();
    assert_eq!(told.matches("<tr>").count(), PEERS_MAX + 1);
    assert!(told.ends_with("And 3\u{a0}others.</p></section>"));
    assert!(list(&[]).into_string().contains("Nobody has asked"));
}
