//! The load: writers that send request after request, each over a connection of its own.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;

/// Bytes of an event's data.
pub(crate) const PAYLOAD_BYTES: usize = 256;

/// Aggregates, tags or streams that events are spread over.
pub(crate) const AGGREGATES: u64 = 10_000;

/// How much is sent, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub writers: usize,
    /// Events a request.
    pub size: usize,
    pub time: Duration,
}

/// What became of a load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Of each request, from before it is sent until it is answered.
    pub latencies: Vec<Duration>,
    pub events: u64,
    /// From the end of the warm-up to the last answer.
    pub elapsed: Duration,
}

/// A server under load.
pub(crate) trait Server {
    type Connection: Connection + 'static;

    fn connect(&self) -> impl Future<Output = Result<Self::Connection>> + Send;
}

/// One client's connection.
pub(crate) trait Connection: Send {
    /// Writes events of these aggregates in one durable request.
    fn write(
        &mut self,
        aggregates: &[u64],
        payload: &str,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Reads events in order from the start, at most `limit`; gives how many there were.
    fn read(&mut self, limit: usize) -> impl Future<Output = Result<usize>> + Send;
}

/// Puts a load on a server.
pub(crate) async fn run(server: &impl Server, load: Load) -> Result<Outcome> {
    let mut connections = Vec::new();
    for _ in 0..load.writers {
        connections.push(server.connect().await?);
    }
    let start = Instant::now() + load.time / 5;
    let mut tasks = JoinSet::new();
    for (number, connection) in connections.into_iter().enumerate() {
        tasks.spawn(write(connection, load, start, number as u64 + 1));
    }
    let mut outcome = Outcome::default();
    while let Some(latencies) = tasks.join_next().await {
        outcome.latencies.extend(latencies??);
    }
    outcome.elapsed = start.elapsed();
    outcome.events = (outcome.latencies.len() * load.size) as u64;
    ensure!(!outcome.latencies.is_empty(), "not one request was answered within {:?}", load.time);
    // What a server still does in the background is not to fall on the next one.
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(outcome)
}

/// Requests that begin before `start` warm up and are not counted.
async fn write(
    mut connection: impl Connection,
    load: Load,
    start: Instant,
    seed: u64,
) -> Result<Vec<Duration>> {
    let payload = format!(r#"{{"note":"{}"}}"#, "x".repeat(PAYLOAD_BYTES - r#"{"note":""}"#.len()));
    let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (mut latencies, mut aggregates) = (Vec::new(), vec![0; load.size]);
    loop {
        for aggregate in &mut aggregates {
            // Knuth's linear congruential generator (MMIX).
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *aggregate = (dice >> 33) % AGGREGATES;
        }
        let before = Instant::now();
        if before >= start + load.time {
            return Ok(latencies);
        }
        connection.write(&aggregates, &payload).await?;
        if before >= start {
            latencies.push(before.elapsed());
        }
    }
}

/// Reads events in order over one connection.
pub(crate) async fn read(server: &impl Server, limit: usize) -> Result<Outcome> {
    let mut connection = server.connect().await?;
    let start = Instant::now();
    let count = connection.read(limit).await?;
    let elapsed = start.elapsed();
    ensure!(count == limit, "there were {count} events to read, not {limit}");
    Ok(Outcome { latencies: vec![elapsed], events: count as u64, elapsed })
}
