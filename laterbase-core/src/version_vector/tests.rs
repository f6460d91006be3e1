#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn vectors() -> impl Strategy<Value = VersionVector> {
    prop::collection::btree_map(0_u8..6, 1_u64..5, 0..6).prop_map(|seqs| {
        seqs.into_iter().map(|(id, seq)| (ReplicaId::from_bytes([id; 16]), seq)).collect()
    })
}

fn joined(a: &VersionVector, b: &VersionVector) -> VersionVector {
    let mut sum = a.clone();
    sum.join(b);
    sum
}

#[test]
fn the_bytes_are_those_of_the_format_document() {
    let vector: VersionVector =
        [(ReplicaId::from_bytes([0x22; 16]), 300), (ReplicaId::from_bytes([0x11; 16]), 1)]
            .into_iter()
            .collect();
    let mut golden = vec![1, 2];
    golden.extend([0x11; 16]);
    golden.push(1);
    golden.extend([0x22; 16]);
    golden.extend([251, 0x2c, 0x01]);
    assert_eq!(vector.to_bytes(), golden);
    assert_eq!(VersionVector::from_bytes(&golden), Ok(vector));
}

#[test]
fn a_count_beyond_the_bytes_is_an_error_and_allocates_nothing() {
    let mut bytes = vec![1];
    codec::encode(&u64::MAX, &mut bytes);
    assert_eq!(VersionVector::from_bytes(&bytes), Err(CodecError::Malformed));
}

proptest! {
    #[test]
    fn join_is_idempotent_commutative_and_associative(
        a in vectors(), b in vectors(), c in vectors(),
    ) {
        prop_assert_eq!(joined(&a, &a), a.clone());
        prop_assert_eq!(joined(&a, &b), joined(&b, &a));
        prop_assert_eq!(joined(&joined(&a, &b), &c), joined(&a, &joined(&b, &c)));
        prop_assert!(joined(&a, &b).covers(&a));
    }

    #[test]
    fn text_and_bytes_come_back(vector in vectors()) {
        prop_assert_eq!(vector.to_string().parse(), Ok(vector.clone()));
        let bytes = vector.to_bytes();
        for cut in 0..bytes.len() {
            prop_assert!(VersionVector::from_bytes(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>) {
        let _ = VersionVector::from_bytes(&bytes);
    }
}
