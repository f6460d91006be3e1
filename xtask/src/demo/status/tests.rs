#![allow(clippy::unwrap_used, reason = "tests")]

use super::Status;

#[test]
fn a_status_counts_over_all_roots_and_leaves_out_empty_ones() {
    let status: Status = serde_json::from_str(
        r#"{"replica": "ab", "engine": "lmdb", "roots": {
            "order": {"events": 2, "aggregates": 1, "digest": "d1", "vv": "x", "pending": 1},
            "shipment": {"events": 5, "aggregates": 1, "digest": "d2", "vv": "x"},
            "vessel": {"events": 0, "aggregates": 0, "digest": "d0", "vv": ""}}}"#,
    )
    .unwrap();
    assert_eq!(status.events(), 7);
    assert_eq!(status.pending(), 1);
    assert_eq!(
        status.digests().into_iter().collect::<Vec<_>>(),
        [("order", "d1"), ("shipment", "d2")]
    );
}
