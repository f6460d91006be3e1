#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn renewal(reason: RenewalReason) -> Renewal {
    let (old, new) = (ReplicaId::from_bytes([1; 16]), ReplicaId::from_bytes([2; 16]));
    let from = vec![("order".parse().unwrap(), 21), ("parcel@east".parse().unwrap(), 3)];
    Renewal { number: 5, old, new, from, reason }
}

#[test]
fn what_was_written_is_read_again_whatever_the_reason() {
    for reason in RenewalReason::ALL {
        let renewal = renewal(reason);
        assert_eq!(Renewal::decode(5, &renewal.encode()).unwrap(), renewal);
    }
}

#[test]
fn no_bytes_panic() {
    let whole = renewal(RenewalReason::Forked).encode();
    for end in 0..whole.len() {
        let _read_or_refused = Renewal::decode(0, &whole[..end]);
    }
    for index in 0..whole.len() {
        let mut other = whole.clone();
        other[index] ^= 0xff;
        let _read_or_refused = Renewal::decode(0, &other);
    }
}

#[test]
fn a_person_reads_what_was_given_up_from_where_on_and_why() {
    let (one, two) = ("01".repeat(16), "02".repeat(16));
    assert_eq!(
        renewal(RenewalReason::Elsewhere).to_string(),
        format!(
            "replica {one} writes as {two} now, order from 21 on and parcel@east from 3 on: the \
             store was copied or restored"
        )
    );
}
