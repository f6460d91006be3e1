//! Syncs that are cut, anywhere and often.

use laterbase_client::client::Client;
use laterbase_client::device::Device;
use laterbase_client::sync::{PageOptions, SyncOptions, sync};
use laterbase_client::transport::{HttpTransport, Transport};
use laterbase_server::Server;

use crate::cutting_transport::CuttingTransport;
use crate::damaged_link::DamagedLink;
use crate::depot::{
    Listening, client, client_over, contents, device, holdings, impatient, said_in, server,
};
use crate::dice::{announce, seeds};
use crate::node::tiny_pages;
use crate::one_cut::OneCut;
use crate::sample;

fn small_pages(failures_max: u32) -> SyncOptions {
    let pages = PageOptions { events_start: 50, events_max: 200, ..PageOptions::default() };
    SyncOptions { pages, ..impatient(failures_max) }
}

/// Two devices with events of their own.
fn fleet(seed: u64) -> ([Device; 2], Vec<String>) {
    let lines = sample::lines(seed, 1_600);
    let devices = [device(), device()];
    sample::record(&devices[0], &lines[..700]);
    sample::record(&devices[1], &lines[700..]);
    (devices, lines)
}

/// Nothing is lost, nothing is there twice, and nobody believes otherwise.
#[track_caller]
fn check_agreement(server: &Server, devices: &[Device], lines: &[String]) {
    let expected = holdings(server.reader());
    assert_eq!(contents(server.reader()), said_in(lines));
    for device in devices {
        assert_eq!(holdings(device.reader()), expected);
        assert_eq!(contents(device.reader()), said_in(lines));
        assert!(device.pending().unwrap().values().all(|&pending| pending == 0));
    }
}

/// Runs syncs that give up at once, until one gets through.
async fn sync_until_done<T: Transport>(
    device: &Device,
    client: &Client<T>,
    options: &SyncOptions,
) -> u32 {
    let mut given_up = 0;
    while let Err(error) = sync(device, client, options, &mut |_progress| {}).await {
        let before = format!("{error}");
        assert!(given_up < 10_000, "no headway: {before}");
        given_up += 1;
    }
    given_up
}

#[tokio::test]
async fn a_sync_that_tries_again_gets_through_any_cut() {
    for seed in seeds(8) {
        announce(seed);
        let (devices, lines) = fleet(seed);
        let server = server();
        let client = client_over(CuttingTransport::new(server.router(), seed));
        for device in [&devices[0], &devices[1], &devices[0]] {
            sync(device, &client, &small_pages(1_000), &mut |_progress| {}).await.unwrap();
        }
        check_agreement(&server, &devices, &lines);
    }
}

#[tokio::test]
async fn a_sync_that_gave_up_goes_on_where_it_was() {
    for seed in seeds(8) {
        announce(seed);
        let (devices, lines) = fleet(seed);
        let server = server();
        let transport = CuttingTransport::new(server.router(), seed);
        let client = client_over(&transport);
        let mut given_up = 0;
        for device in [&devices[0], &devices[1], &devices[0]] {
            given_up += sync_until_done(device, &client, &small_pages(1)).await;
        }
        let cuts = transport.cuts();
        let kinds = [cuts.before, cuts.in_request, cuts.reply_lost, cuts.in_response];
        assert!(given_up > 5 && kinds.iter().all(|&count| count > 0), "{given_up} {cuts:?}");
        check_agreement(&server, &devices, &lines);
    }
}

/// Two devices with a few events each, one of which has been synced.
async fn pair() -> (Server, [Device; 2], Vec<String>) {
    let (server, devices, lines) = (server(), [device(), device()], sample::lines(3, 110));
    sample::record(&devices[0], &lines[..60]);
    sample::record(&devices[1], &lines[60..]);
    sync(&devices[0], &client(&server), &tiny_pages(), &mut |_| {}).await.unwrap();
    (server, devices, lines)
}

#[tokio::test]
async fn a_cut_at_any_byte_costs_one_page_at_most() {
    let (server, devices, _lines) = pair().await;
    let whole = OneCut::after_bytes(server.router(), usize::MAX);
    let client = client_over(&whole);
    sync(&devices[1], &client, &tiny_pages(), &mut |_| {}).await.unwrap();
    // Pages have up to 11 events of up to 400 bytes and a few runs.
    let (payload, page_bytes) = (whole.carried(), 11 * 400 + 700);
    for at in (0..payload).step_by(131).chain(payload - 40..payload) {
        let (server, devices, lines) = pair().await;
        let cut = OneCut::after_bytes(server.router(), at);
        let client = client_over(&cut);
        let given_up = sync_until_done(&devices[1], &client, &tiny_pages()).await;
        let carried = cut.carried();
        // Ids are random, and some of them compress better.
        assert!(given_up == 1 || carried <= at && at + 100 > payload, "{at} of {payload}");
        assert!(carried <= payload + page_bytes, "{carried} instead of {payload}, cut at {at}");
        sync(&devices[0], &crate::depot::client(&server), &tiny_pages(), &mut |_| {})
            .await
            .unwrap();
        check_agreement(&server, &devices, &lines);
    }
}

#[tokio::test]
async fn a_cut_between_any_two_requests_costs_nothing() {
    for requests in 0.. {
        let (server, devices, lines) = pair().await;
        let cut = OneCut::after_requests(server.router(), requests);
        let client = client_over(&cut);
        let given_up = sync_until_done(&devices[1], &client, &tiny_pages()).await;
        sync(&devices[0], &crate::depot::client(&server), &tiny_pages(), &mut |_| {})
            .await
            .unwrap();
        check_agreement(&server, &devices, &lines);
        if given_up == 0 {
            assert!(requests > 10, "{requests}");
            break;
        }
    }
}

#[tokio::test]
async fn a_socket_that_breaks_at_any_byte_loses_nothing() {
    for seed in seeds(3) {
        announce(seed);
        let (devices, lines) = fleet(seed);
        let server = server();
        let reader = server.reader().clone();
        let listening = Listening::start(server);
        let link = DamagedLink::start(listening.address, seed).await;
        for device in [&devices[0], &devices[1], &devices[0]] {
            let url = format!("http://{}", link.address);
            let client = Client::new(url.parse().unwrap(), HttpTransport::new().unwrap());
            sync_until_done(device, &client, &small_pages(1)).await;
        }
        assert!(link.cut_count() > 5, "{}", link.cut_count());
        assert_eq!(contents(&reader), said_in(&lines));
        for device in &devices {
            assert_eq!(holdings(device.reader()), holdings(&reader));
        }
    }
}
