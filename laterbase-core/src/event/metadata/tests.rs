#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn what_was_set_last_is_given_back_in_order(
        set in prop::collection::vec(("[a-d]{1,2}", "\\PC{0,9}"), 0..20)
    ) {
        let (mut metadata, mut model) = (MetadataBuf::default(), BTreeMap::new());
        for (name, value) in &set {
            metadata.set(name, value).unwrap();
            model.insert(name.as_str(), value.as_str());
        }
        let found: Vec<_> = metadata.as_metadata().iter().collect();
        prop_assert_eq!(found, model.into_iter().collect::<Vec<_>>());
        prop_assert!(metadata.as_metadata().is_sound());
    }

    #[test]
    fn random_bytes_are_sound_or_not_and_never_panic(bytes: Vec<u8>) {
        let metadata = Metadata::from_bytes(&bytes);
        let sound = metadata.is_sound();
        let read: usize = metadata.iter().map(|(name, value)| 3 + name.len() + value.len()).sum();
        prop_assert!(!sound || read == bytes.len());
    }
}

#[test]
fn each_bound_is_kept() {
    let mut metadata = MetadataBuf::default();
    assert_eq!(metadata.set("", "x"), Err(MetadataError::Name));
    assert_eq!(metadata.set(&"n".repeat(65), "x"), Err(MetadataError::Name));
    assert_eq!(metadata.set("n", &"x".repeat(1025)), Err(MetadataError::Value));
    for index in 0..32 {
        metadata.set(&format!("n{index}"), &"x".repeat(1024)).unwrap();
    }
    assert_eq!(metadata.set("one more", ""), Err(MetadataError::Full));
    metadata.set("n7", "known").unwrap();
    assert_eq!(metadata.as_metadata().get("n7"), Some("known"));
    assert!(metadata.as_metadata().is_sound());
}

#[test]
fn names_out_of_order_or_twice_are_not_sound() {
    for bytes in [b"\x01b\x00\x00\x01a\x00\x00".as_slice(), b"\x01a\x00\x00\x01a\x00\x00"] {
        assert!(!Metadata::from_bytes(bytes).is_sound());
    }
    assert!(Metadata::from_bytes(b"\x01a\x00\x00\x01b\x00\x00").is_sound());
    assert!(!Metadata::from_bytes(b"\x00\x00\x00").is_sound(), "a name is empty");
}
