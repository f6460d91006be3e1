#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn texts() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!['\0', '\u{1}', 'a', 'b', 'ÿ', '/']), 1..6)
        .prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #[test]
    fn escaped_text_sorts_as_the_text_and_comes_back(a in texts(), b in texts()) {
        let (mut ka, mut kb) = (Vec::new(), Vec::new());
        push_text(&mut ka, &a);
        push_text(&mut kb, &b);
        prop_assert_eq!(a.as_bytes().cmp(b.as_bytes()), ka.cmp(&kb));
        prop_assert!(a == b || !kb.starts_with(&ka));
        ka.push(9);
        prop_assert_eq!(take_text(&ka), Some((a, &[9_u8][..])));
    }

    #[test]
    fn places_sort_by_occurred_then_recorded_then_origin(
        a: (i64, u64, [u8; 16]), b: (i64, u64, [u8; 16]),
    ) {
        let place = |(occurred, recorded, origin): (i64, u64, [u8; 16])| {
            Place::new(occurred, Hlc::from_bits(recorded), ReplicaId::from_bytes(origin))
        };
        prop_assert_eq!(a.cmp(&b), place(a).cmp(&place(b)));
        prop_assert_eq!(place(a).occurred(), a.0);
        prop_assert_eq!(place(a).recorded().to_bits(), a.1);
    }
}

#[test]
fn the_end_of_a_prefix_is_just_behind_it() {
    assert_eq!(after_prefix(b"ab"), Some(b"ac".to_vec()));
    assert_eq!(after_prefix(&[1, 0xff]), Some(vec![2]));
    assert_eq!(after_prefix(&[0xff, 0xff]), None);
}

#[test]
fn damaged_text_is_none_and_not_a_panic() {
    for bytes in [&b""[..], b"a", b"a\0", b"a\0\x02", b"\xff\0\x01"] {
        assert_eq!(take_text(bytes), None);
    }
}
