#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn turns_of(arrivals: &[i64]) -> Turns {
    let mut turns = Turns::default();
    for (index, pair) in arrivals.windows(2).enumerate() {
        if pair[1] < pair[0] {
            turns.extend(vec![Turn { position: index as u64 + 2, arrived: pair[1] }]);
        }
    }
    turns
}

proptest! {
    #[test]
    fn the_stretch_holds_the_last_position_that_had_arrived(
        arrivals in prop::collection::vec(-6_i64..6, 0..40), time in -8_i64..8, cut in 0_usize..40,
    ) {
        let turns = turns_of(&arrivals);
        let head = cut.min(arrivals.len());
        let expected = arrivals[..head].iter().rposition(|arrived| *arrived <= time);
        let expected = expected.map_or(0, |index| index + 1);
        let (first, last) = turns.stretch(time, head as u64);
        let (first, last) = (usize::try_from(first).unwrap(), usize::try_from(last).unwrap());
        // Found or not, the search need look nowhere else.
        prop_assert!(first <= expected && expected <= last, "{first} {expected} {last}");
        prop_assert!(last <= head);
        let stretch = &arrivals[first.max(1).min(last) - usize::from(last > 0)..last];
        prop_assert!(stretch.is_sorted(), "{stretch:?}");
        prop_assert!(first == 0 || arrivals[first - 1] <= time);
    }
}
