use super::*;

#[test]
fn an_observation_is_in_the_bucket_whose_bound_it_does_not_pass() {
    let histogram = Histogram::new(&[1, 10]);
    for value in [0, 1, 2, 10, 11, u64::MAX - 24] {
        histogram.observe(value);
    }
    let buckets: Vec<_> = histogram.buckets().collect();
    assert_eq!(buckets, [(Some(1), 2), (Some(10), 2), (None, 2)]);
    assert_eq!((histogram.count(), histogram.sum()), (6, u64::MAX));
}

#[test]
fn answers_are_told_apart_by_declared_route_method_and_class_only() {
    let meters = Meters::new();
    let count = |path, method, status: u16| {
        let status = StatusCode::from_u16(status).unwrap_or_default();
        meters.answered(path, &method, status, Duration::from_millis(1));
    };
    count("/e/{root}", Method::GET, 200);
    count("/e/{root}", Method::HEAD, 299);
    count("/e/{root}", Method::POST, 503);
    count("/e/order", Method::POST, 404);
    count("/wp-admin", Method::DELETE, 404);
    let found = meters.requests().filter(|(_, cell)| cell.count() > 0);
    let found: Vec<_> = found.map(|(labels, cell)| (labels, cell.count())).collect();
    let expected = [
        (["/e/{root}", "GET", "2xx"], 2),
        (["/e/{root}", "POST", "5xx"], 1),
        ([NO_ROUTE, "POST", "4xx"], 1),
        ([NO_ROUTE, "other", "4xx"], 1),
    ];
    assert_eq!(found, expected);
}

#[test]
fn problems_are_counted_by_their_kinds() {
    let meters = Meters::new();
    meters.refused(Kind::StoreFull);
    meters.refused(Kind::MalformedRequest);
    meters.refused(Kind::StoreFull);
    let found: Vec<_> = meters.problems().filter(|(_, count)| *count > 0).collect();
    assert_eq!(found, [("malformed-request", 1), ("store-full", 2)]);
}
