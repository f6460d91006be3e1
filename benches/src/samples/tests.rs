use super::*;

fn quantiles(values: impl IntoIterator<Item = u64>) -> Quantiles {
    let mut samples = Samples::default();
    values.into_iter().for_each(|value| samples.push(value));
    samples.quantiles()
}

#[test]
fn quantiles_of_a_hundred_and_one_values_are_their_percentages() {
    let found = quantiles((0..=100).rev());
    let expected = Quantiles { min: 0, q1: 25, median: 50, q3: 75, p90: 90, p99: 99, max: 100 };
    assert_eq!(found, expected);
}

#[test]
fn quantiles_of_few_values_are_values() {
    assert_eq!(quantiles([]), Quantiles::default());
    let one = quantiles([7]);
    assert_eq!((one.min, one.median, one.p99, one.max), (7, 7, 7, 7));
    let two = quantiles([1, 9]);
    assert_eq!((two.min, two.q1, two.p99), (1, 9, 9));
}

#[test]
fn extra_time_counts_in_the_total_only() {
    let mut samples = Samples::default();
    samples.push(5);
    samples.time_extra(|| std::hint::black_box(vec![0_u8; 1 << 20]).len());
    assert!(samples.total() > 5);
    assert_eq!((samples.len(), samples.quantiles().max), (1, 5));
}
