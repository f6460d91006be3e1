#![allow(clippy::unwrap_used, reason = "tests")]

use axum::routing::get;
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;
use crate::bounds::Bounds;

/// Bytes that lie between the two ends of a connection, as they do in a system.
const BUFFER_BYTES: usize = 4 * 1024;

const ANSWER_BYTES: usize = 1024 * 1024;

struct Served {
    client: DuplexStream,
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
    pressure: watch::Sender<u64>,
    gives_way: Arc<Notify>,
    start: Instant,
}

fn serve() -> Served {
    let (client, stream) = duplex(BUFFER_BYTES);
    let progress = Progress::new(Bounds::default());
    let router = Router::new()
        .route("/small", get(async || "small"))
        .route("/large", get(async || vec![7_u8; ANSWER_BYTES]))
        .route("/never", get(std::future::pending::<()>));
    let (stop, pressure) = (watch::Sender::new(false), watch::Sender::new(0));
    let gives_way = Arc::new(Notify::new());
    let ends = Ends {
        stop: stop.subscribe(),
        pressure: pressure.subscribe(),
        gives_way: Arc::clone(&gives_way),
    };
    let task = tokio::spawn(run(stream, progress, Caller::at(None), router, ends));
    Served { client, task, stop, pressure, gives_way, start: Instant::now() }
}

impl Served {
    async fn ask(&mut self, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n");
        self.client.write_all(request.as_bytes()).await.unwrap();
    }

    async fn hear(&mut self, end: &str) -> String {
        let mut heard = String::new();
        while !heard.ends_with(end) {
            heard.push(char::from(self.client.read_u8().await.unwrap()));
        }
        heard
    }

    /// When the server let go of the connection.
    async fn ended_after(self) -> Duration {
        self.task.await.unwrap();
        self.start.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_closed() {
    assert_eq!(serve().ended_after().await, Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn half_a_head_is_waited_for_from_its_first_byte() {
    let mut served = serve();
    tokio::time::sleep(Duration::from_secs(20)).await;
    for byte in b"GET /small HTT" {
        served.client.write_all(&[*byte]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(served.ended_after().await, Duration::from_secs(50));
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_kept_for_the_next_request_and_not_for_ever() {
    let mut served = serve();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(50)).await;
        served.ask("/small").await;
        assert!(served.hear("small").await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    assert_eq!(served.ended_after().await, Duration::from_secs(210));
}

#[tokio::test(start_paused = true)]
async fn work_on_an_answer_is_not_hurried() {
    let mut served = serve();
    served.ask("/never").await;
    tokio::time::sleep(Duration::from_secs(1_000)).await;
    assert!(!served.task.is_finished());
    served.task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_is_cut_off() {
    let mut served = serve();
    served.ask("/large").await;
    assert_eq!(served.ended_after().await, Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_reads_too_slowly_is_cut_off_and_one_on_a_slow_link_is_not() {
    for (bytes_per_second, is_cut) in [(100, true), (4 * 1024, false)] {
        let mut served = serve();
        served.ask("/large").await;
        let mut bytes = 0;
        let mut piece = vec![0; bytes_per_second];
        while bytes < ANSWER_BYTES {
            tokio::time::sleep(Duration::from_secs(1)).await;
            match served.client.read(&mut piece).await.unwrap() {
                0 => break,
                count => bytes += count,
            }
        }
        assert_eq!(bytes < ANSWER_BYTES, is_cut, "{bytes} at {bytes_per_second} a second");
        let took = served.start.elapsed();
        assert!(!is_cut || took < Duration::from_secs(120), "cut off after {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gives_way_to_those_who_wait_for_room() {
    let mut served = serve();
    served.ask("/large").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    served.pressure.send_modify(|count| *count += 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!served.task.is_finished(), "it had no time to show how fast it is");
    served.pressure.send_modify(|count| *count += 1);
    assert_eq!(served.ended_after().await, Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_gives_way_at_once_and_a_busy_one_after_its_answer() {
    let served = serve();
    tokio::task::yield_now().await;
    served.gives_way.notify_one();
    assert_eq!(served.ended_after().await, Duration::ZERO);

    let mut served = serve();
    served.ask("/large").await;
    served.hear("\r\n\r\n").await;
    served.stop.send_replace(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut rest = Vec::new();
    served.client.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest.len(), ANSWER_BYTES);
    drop(served.client);
    served.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn heads_that_cannot_be_read_are_answered_by_a_problem_document() {
    let long = "x".repeat(70_000);
    let many: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    for (head, status) in [
        (format!("GET /{long} HTTP/1.1\r\nhost: test\r\n\r\n"), "414 URI Too Long"),
        (format!("GET / HTTP/1.1\r\nhost: test\r\n{many}\r\n"), "431 "),
        (format!("GET / HTTP/1.1\r\nhost: test\r\nx: {long}{long}{long}\r\n\r\n"), "431 "),
        ("GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".into(), "400 "),
        ("nonsense\r\n\r\n".into(), "400 "),
        ("GET / HTTP/3.7\r\n\r\n".into(), "400 "),
    ] {
        let mut served = serve();
        let (mut reading, mut writing) = tokio::io::split(&mut served.client);
        let mut heard = Vec::new();
        let (read, _) = tokio::join!(reading.read_to_end(&mut heard), async {
            let _ = writing.write_all(head.as_bytes()).await;
        });
        read.unwrap();
        let heard = String::from_utf8(heard).unwrap();
        assert!(heard.starts_with(&format!("HTTP/1.1 {status}")), "{heard}");
        assert!(heard.contains("application/problem+json"), "{heard}");
        assert!(heard.ends_with('}'), "{heard}");
        served.task.await.unwrap();
    }
}

#[test]
fn a_date_is_said_where_a_header_can_say_it() {
    let at = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap();
    assert_eq!(date(at(784_111_777)).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(date(at(0)).unwrap(), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(date(at(DATE_SECONDS_END - 1)).unwrap(), "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_eq!(date(at(DATE_SECONDS_END)), None);
    assert_eq!(date(UNIX_EPOCH - Duration::from_nanos(1)), None);
}
