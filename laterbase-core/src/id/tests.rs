#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn a_replica_id_reads_what_it_writes() {
    let id = ReplicaId::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff]);
    assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0eff");
    assert_eq!(id.to_string().parse(), Ok(id));
}

#[test]
fn ids_are_ordered_as_their_text_is() {
    let low = ReplicaId::from_bytes([0; 16]);
    let mut bytes = [0; 16];
    bytes[0] = 1;
    let high = ReplicaId::from_bytes(bytes);
    assert!(low < high);
    assert!(low.to_string() < high.to_string());
}

#[test]
fn anything_but_canonical_text_is_refused() {
    for text in ["", "0", "+00102030405060708090a0b0c0d0eff", "000102030405060708090A0B0C0D0EFF"] {
        assert_eq!(text.parse::<ReplicaId>(), Err(IdError::ReplicaId), "{text}");
    }
    let id = "000102030405060708090a0b0c0d0eff";
    for text in [id, &format!("{id}-0"), &format!("{id}-01"), &format!("{id}-+1"), "x-1"] {
        assert_eq!(text.parse::<Dot>(), Err(IdError::Dot), "{text}");
    }
}

#[test]
fn an_event_id_reads_what_it_writes_and_nothing_else() {
    let dot = Dot { origin: ReplicaId::from_bytes([0xab; 16]), seq: 7 };
    let id = EventId { root: RootName::new("shipment@depot-7").unwrap(), dot };
    assert_eq!(id.to_string(), format!("shipment@depot-7:{}-7", "ab".repeat(16)));
    assert_eq!(id.to_string().parse(), Ok(id));
    let dot = dot.to_string();
    for text in [&dot, &format!(":{dot}"), &format!("a b:{dot}"), "order:7", &format!("a:b:{dot}")]
    {
        assert_eq!(text.parse::<EventId>(), Err(IdError::EventId), "{text}");
    }
}

#[test]
fn root_names_follow_the_grammar() {
    for text in ["shipment", "a", "9.x_~-", "shipment@depot-7", &"a".repeat(100)] {
        assert!(RootName::new(text).is_ok(), "{text}");
    }
    let long = "a".repeat(101);
    for text in ["", "-a", ".a", "a/b", "a b", "ä", "a@", "@a", "a@b@c", "a@-b", &long] {
        assert_eq!(RootName::new(text), Err(IdError::RootName), "{text}");
    }
}

#[test]
fn a_partition_is_folded_by_its_kind() {
    assert_eq!(RootName::new("shipment@depot-7").unwrap().kind(), "shipment");
    assert_eq!(RootName::new("shipment").unwrap().kind(), "shipment");
}
