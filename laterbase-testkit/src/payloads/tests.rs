use laterbase_core::json::check_data;

use super::*;
use crate::simulator::dice::Dice;

#[test]
fn payloads_are_what_they_are_called_and_of_every_kind() {
    let mut dice = Dice::new(1);
    let mut all = String::new();
    for _ in 0..5_000 {
        let good = readable(&mut |bound| dice.below(bound));
        assert_eq!(check_data(good.as_bytes()), Ok(()), "{good}");
        let bad = unreadable(&mut |bound| dice.below(bound));
        assert!(check_data(bad.as_bytes()).is_err(), "{bad}");
        all.push_str(&good);
    }
    for part in NUMBERS.iter().chain(&WORDS).chain(&NAMES) {
        assert!(all.contains(part), "{part} does not come up");
    }
    assert!(all.contains(&"[".repeat(128)) && all.contains(&"{\"a\":".repeat(128)));
}

#[test]
fn a_payload_of_nothing_but_zeros_can_be_read() {
    let good = readable(&mut |_| 0);
    assert_eq!(check_data(good.as_bytes()), Ok(()), "{good}");
}
