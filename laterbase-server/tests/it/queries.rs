//! Queries of any kind: each gets an answer, and none of them is the server's fault.

use crate::connection::LINES;
use crate::running::{Running, in_memory, order};

const TARGETS: [&str; 11] = [
    "/e/order",
    "/e/order/delta",
    "/a/order",
    "/a/order/O-1",
    "/a/order/O-1/events",
    "/events",
    "/events/order:332341d582665405ecb889bd9dec8ce2-1",
    "/sync",
    "/sync/heads",
    "/",
    "/nowhere",
];

const NAMES: [&str; 18] = [
    "vv",
    "limit",
    "cursor",
    "seen",
    "roots",
    "not",
    "after",
    "fold",
    "occurred_until",
    "recorded_until",
    "known_at",
    "occurred_from",
    "live",
    "types",
    "type",
    "aggregate",
    "ids",
    "x",
];

const VALUES: [&str; 22] = [
    "",
    "0",
    "1",
    "10000",
    "10001",
    "-1",
    "1e9",
    "18446744073709551616",
    "AQ",
    "AAAAAAAAAAEAAAAAAAAAAgAAAAAAAAAD",
    "________________________________",
    "332341d582665405ecb889bd9dec8ce2",
    "order",
    "order,shipment@*",
    "shipment@depot-7,",
    "order/07070707070707070707070707070707",
    "2024-03-01T08:00:00Z",
    "2024-02-30T08:00:00Z",
    "9999-12-31T23:59:60%2B14:00",
    "%00",
    "%ff%fe",
    "%e2%82",
];

/// Knuth's linear congruential generator (MMIX): the same choices each time.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        let constants = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
        self.0 = self.0.wrapping_mul(constants.0).wrapping_add(constants.1);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

#[tokio::test]
async fn no_query_is_the_servers_fault() {
    let server = Running::start(in_memory()).await;
    let mut connection = server.connect().await;
    let lines = [order("O-1", 1), order("O-2", 2)].join("\n");
    connection.send("POST", "/e/order", &[LINES], lines).await.check(201);
    let mut dice = Dice(1);
    let (mut good, mut bad) = (0, 0);
    for round in 0..4_000 {
        let mut target = dice.pick(&TARGETS).to_owned();
        for index in 0..round % 4 {
            let (name, value) = (dice.pick(&NAMES), dice.pick(&VALUES));
            target.push_str(if index == 0 { "?" } else { "&" });
            target.push_str(&format!("{name}={value}"));
        }
        let reply = connection.get(&target).await;
        assert!(reply.status.as_u16() < 500, "{target}: {}", reply.status);
        if reply.status.is_success() { good += 1 } else { bad += 1 }
    }
    assert!(good > 400 && bad > 1_000, "{good} good ones, {bad} bad ones");
    server.stop().await;
}
