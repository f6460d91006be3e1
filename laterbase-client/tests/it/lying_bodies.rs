//! Servers whose answers are too large, against the command with little memory to spare.

use std::io;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::stream;
use laterbase_core::delta::DeltaBuilder;
use laterbase_core::heads::{HeadEntry, HeadsPage};

use crate::command::Workplace;
use crate::forged::{origin, root};
use crate::sample;

/// What a million heads, a hundredth of a second's worth of a fast line each, may take, with
/// threads' stacks and the runtime.
const MEMORY_KIB_MAX: u64 = 384 * 1024;

const HEADS: u128 = 1_000_000;
const HEADS_PER_PAGE: u128 = 50_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// Heads of a million origins, of which there is not one event.
    Heads,
    /// A page that unpacks to a gigabyte.
    Bomb,
    /// A page without an end.
    Endless,
}

fn answer(media_type: &str) -> axum::http::response::Builder {
    Response::builder()
        .header("content-type", media_type)
        .header("laterbase-replica", origin(99).to_string())
        .header("laterbase-cursor", "AAAAAAAAAAEAAAAAAAAABgAAAAAAAAAF")
}

async fn heads(State(lie): State<Lie>, RawQuery(query): RawQuery) -> Response {
    let media_type = "application/vnd.laterbase.heads";
    let response = answer(media_type);
    match lie {
        Lie::Heads => {}
        Lie::Bomb => {
            let zeros = io::repeat(0);
            let bomb = zstd::encode_all(io::Read::take(zeros, 1 << 30), 1).unwrap();
            return response.header("content-encoding", "zstd").body(bomb.into()).unwrap();
        }
        Lie::Endless => {
            let piece = Bytes::from(vec![0; 64 * 1024]);
            let pieces = stream::repeat_with(move || Ok::<_, io::Error>(piece.clone()));
            return response.body(Body::from_stream(pieces)).unwrap();
        }
    }
    let after = query.unwrap_or_default();
    let first = after.split("order%2F").nth(1).or_else(|| after.split("order/").nth(1));
    let first = first.map_or(0, |text| u128::from_str_radix(&text[..32], 16).unwrap() + 1);
    let last = (first + HEADS_PER_PAGE).min(HEADS);
    let entry =
        |number| HeadEntry { root: root("order"), origin: origin(number), seq: 3, check: [1; 8] };
    let next = (last < HEADS).then(|| (root("order"), origin(last - 1)));
    let page = HeadsPage { entries: (first..last).map(entry).collect(), next };
    let response = match &page.next {
        Some((root, origin)) => response.header("laterbase-next", format!("{root}/{origin}")),
        None => response,
    };
    response.body(page.encode().into()).unwrap()
}

async fn wants() -> Response {
    let page = DeltaBuilder::new().finish();
    answer("application/vnd.laterbase.delta")
        .header("laterbase-more", "false")
        .body(page.into())
        .unwrap()
}

async fn log() -> Response {
    answer("application/vnd.laterbase.delta").status(204).body(Body::empty()).unwrap()
}

/// Serves a lie until the process ends.
fn serve(lie: Lie) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let router = Router::new()
            .route("/sync", get(log))
            .route("/sync/heads", get(heads))
            .route("/sync/wants", post(wants))
            .with_state(lie);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
    });
    address
}

/// Syncs with a liar under a bound on private memory, and gives how it ended.
fn bounded_sync(place: &Workplace, server: SocketAddr) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_laterbase");
    let script =
        format!("ulimit -d {MEMORY_KIB_MAX}; exec {program} sync --server http://{server} --json");
    let mut command = Command::new("sh");
    command.current_dir(place.path(".")).arg("-c").arg(script).stdin(Stdio::null());
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[cfg(target_os = "linux")]
#[test]
fn answers_that_are_too_large_take_bounded_memory() {
    for lie in [Lie::Bomb, Lie::Endless, Lie::Heads] {
        let place = Workplace::new();
        place.succeed(&["record", &place.write("day.ndjson", &sample::lines(1, 50))]);
        let start = Instant::now();
        let (code, complaint) = bounded_sync(&place, serve(lie));
        let elapsed = start.elapsed();
        assert!(matches!(code, Some(0 | 1)), "{lie:?}: {code:?} {complaint}");
        assert!(!complaint.contains("panicked") && !complaint.contains("memory"), "{complaint}");
        // It ends; how soon is a question of the machine.
        assert!(elapsed < Duration::from_secs(300), "{lie:?} took {elapsed:?}");
        assert_eq!(place.event_count(), 50, "{lie:?}");
        eprintln!("{lie:?} {elapsed:?} {code:?} {complaint}");
    }
}
