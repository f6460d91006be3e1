#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::event::{MetadataBuf, Record};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId};

fn written(record: Record<'_>) -> String {
    let origin = ReplicaId::from_bytes([0xab; 16]);
    let recorded = Hlc::from_unix_nanos(1_500_000_000);
    let dot = Dot { origin, seq: 7 };
    let event = Event { dot, recorded, arrived: 0, position: 1, record, voided_by: &[dot] };
    let mut out = Vec::new();
    write_cloud_event(&mut out, &RootName::new("shipment@depot-7").unwrap(), &event);
    String::from_utf8(out).unwrap()
}

#[test]
fn json_data_stays_json_text() {
    let mut metadata = MetadataBuf::default();
    for (name, value) in [("actor", "A. Okoro"), ("correlation_id", "c1"), ("shift", "late")] {
        metadata.set(name, value).unwrap();
    }
    let record = Record {
        metadata: metadata.as_metadata(),
        version: u32::MAX,
        occurred: Some(1_000_000_000),
        idempotency_key: Some("k1"),
        ..Record::json("ASN-\"5\"", "Departed", "{ \"a\" : [1, 2.50] }")
    };
    assert_eq!(
        written(record),
        "{\"specversion\":\"1.0\",\
         \"id\":\"shipment@depot-7:abababababababababababababababab-7\",\
         \"source\":\"urn:laterbase:root:shipment@depot-7\",\"type\":\"Departed\",\
         \"subject\":\"ASN-\\\"5\\\"\",\"time\":\"1970-01-01T00:00:01Z\",\
         \"recordedtime\":\"1970-01-01T00:00:01.500000000Z\",\"laterbasehlc\":\"0000000180000000\",\
         \"dataversion\":\"4294967295\",\"idempotencykey\":\"k1\",\"actor\":\"A. Okoro\",\
         \"correlationid\":\"c1\",\
         \"laterbasevoidedby\":\"shipment@depot-7:abababababababababababababababab-7\",\
         \"data\":{ \"a\" : [1, 2.50] },\"datacontenttype\":\"application/json\"}"
    );
}

#[test]
fn bytes_are_base64_and_so_is_what_only_claims_to_be_json() {
    for (is_json, data) in [(false, &b"\x00\xff"[..]), (true, b"{\"a\":")] {
        let text = written(Record { is_json, data, ..Record::json("a", "t", "") });
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["datacontenttype"], "application/octet-stream");
        assert_eq!(value.get("data"), None);
        assert!(value["data_base64"].is_string());
    }
}
