//! A walk through all pages with a real browser: what the script does, and what only a browser can
//! tell, such as whether anything is loaded from elsewhere.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::connection::{Connection, DELTA, LINES};
use crate::origins::{origin, push, told_delta};
use crate::page::write;
use crate::process::{PROGRAM, Process};

const TRUCK: &str = "TRUCK-7/<Lagos> \u{202e}";

/// Left, right, up and down on a keyboard, as the standard of drivers has them.
const LEFT: &str = "\u{e012}";
const UP: &str = "\u{e013}";
const ENTER: &str = "\u{e007}";

/// A server with shipments, on a port that it keeps when it starts again.
struct Shipments {
    folder: TempDir,
    server: Process,
    address: SocketAddr,
}

impl Shipments {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let schema = json!({"events": {"Departed": {
            "type": "object", "required": ["from"], "additionalProperties": false,
            "properties": {
                "from": {"$ref": "#/$defs/place"}, "pieces": {"type": "integer", "minimum": 0},
                "sealed": {"type": "boolean"}, "class": {"enum": ["dry", "cold"]},
            },
        }}, "$defs": {"place": {"type": "string", "minLength": 3}}});
        std::fs::write(folder.path().join("schema.json"), schema.to_string()).unwrap();
        let server = serve(folder.path(), "127.0.0.1:0");
        let address = server.address;
        let this = Self { folder, server, address };
        this.fill().await;
        this
    }

    /// Events on two axes: what happens hour by hour, some of it learned of late; and a fork.
    async fn fill(&self) {
        let mut connection = self.connect().await;
        for (hour, place) in [(1, "Lagos"), (4, "Kano"), (2, "Ibadan"), (5, "Jos"), (3, "Abuja")] {
            let event = json!({
                "aggregate_id": TRUCK, "type": "Arrived", "occurred_at": format!("2024-03-01T0{hour}:00:00Z"),
                "data": {"at": place, "stop": {"hour": hour}}, "metadata": {"actor": "Ada <Obi>"},
            });
            write(&mut connection, "shipment", event).await;
        }
        let others: Vec<Value> = (0..150)
            .map(|n| json!({"aggregate_id": format!("ASN-{n:03}"), "type": "Arrived", "data": {"at": "Lagos", "n": n}}))
            .collect();
        connection.post("/e/shipment", json!(others).to_string()).await.check(201);
        push(&mut connection, &[("order", origin(7), 1..=3)]).await.check(200);
        let other = told_delta(&[("order", origin(7), 1..=5)], "other");
        connection.send("POST", "/sync", &[DELTA], other).await.problem(409, "fork");
    }

    async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Stops the server, lets something be done meanwhile, and starts it at the same address.
    async fn restart(self, meanwhile: impl AsyncFnOnce()) -> Self {
        let Self { folder, server, address } = self;
        assert!(server.terminate_soon().success());
        meanwhile().await;
        let server = serve(folder.path(), &address.to_string());
        Self { folder, server, address }
    }
}

fn serve(folder: &Path, listen: &str) -> Process {
    let mut command = Command::new(PROGRAM);
    command.args(["--listen", listen, "--schema"]);
    command.arg(format!("shipment={}", folder.join("schema.json").display()));
    command.arg("--data").arg(folder.join("data")).env("LATERBASE_LOG", "warn");
    Process::start_by(&mut command)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_walks_through_all_pages() {
    let Some(browser) = Browser::start().await else { return };
    let mut shipments = Shipments::start().await;
    decide_the_fork(&browser, &shipments).await;
    find_the_truck(&browser, &shipments).await;
    move_both_handles(&browser, &shipments).await;
    take_an_event_back(&browser, &shipments).await;
    record(&browser, &shipments).await;
    assert_eq!(browser.complaints(&[]).await, Vec::<String>::new());
    shipments = follow(&browser, shipments).await;
    let ours = shipments.url("/");
    let elsewhere = |url: &String| !url.starts_with(&ours) && !url.starts_with("data:");
    let mut requested = browser.requested().await;
    assert!(requested.len() > 20, "{requested:?}");
    requested.retain(elsewhere);
    assert_eq!(requested, Vec::<String>::new(), "nothing is loaded from elsewhere");
    browser.close().await;
    assert!(shipments.server.terminate_soon().success());
}

async fn decide_the_fork(browser: &Browser, shipments: &Shipments) {
    browser.goto(&shipments.url("/")).await;
    browser.find("//h1[.='Health']").await;
    assert_eq!(browser.url().await, shipments.url("/ui"));
    browser.click("//summary[.='Keep the other one']").await;
    browser.find("//details[@open]//p[contains(., '3\u{a0}events held here move to')]").await;
    browser.look("health").await;
    browser.click("//button[.='Keep the other one']").await;
    browser.find("//p[contains(., 'All is well')]").await;
    let forks = shipments.connect().await.get("/forks").await.check(200).json();
    assert_eq!(forks["forks"], json!([]));
}

async fn find_the_truck(browser: &Browser, shipments: &Shipments) {
    browser.click("//a[.='shipment']").await;
    browser.find("//h1[.='shipment']").await;
    assert_eq!(browser.count("tbody tr").await, 100);
    // Columns that were chosen once are there again.
    browser.click("//summary[.='Columns']").await;
    browser.click("//label[contains(., 'at')]/input").await;
    browser.click("//button[.='Show these']").await;
    browser.find("//thead[not(.//th[.='at']) and .//th[.='n']]").await;
    browser.goto(&shipments.url("/ui/r/shipment")).await;
    browser.find("//thead[not(.//th[.='at']) and .//th[.='n']]").await;
    browser.look("root").await;
    browser.click("//a[.='Next page']").await;
    browser.find("//td[.='120']").await;
    browser.click("//a[.='Changed today']").await;
    browser.find("//p[contains(., 'Changed since')]").await;
    browser.write("//input[@id='find']", &format!("TRUCK{ENTER}")).await;
    browser.find("//h1[starts-with(., 'TRUCK-7/<Lagos>')]").await;
}

/// The truck's state that is shown is what the route says for the parameters of the page's URL.
async fn check_state(browser: &Browser, shipments: &Shipments) -> String {
    check_state_of(browser, shipments, TRUCK).await
}

async fn check_state_of(browser: &Browser, shipments: &Shipments, id: &str) -> String {
    let url = browser.url().await;
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let id = crate::connection::segment(id);
    let given =
        shipments.connect().await.get(&format!("/a/shipment/{id}?{query}")).await.check(200);
    let shown = browser.ask("document.querySelector('#state-json').textContent").await;
    assert_eq!(shown.as_str().unwrap(), given.text(), "{url}");
    given.text()
}

async fn move_both_handles(browser: &Browser, shipments: &Shipments) {
    let whole = check_state(browser, shipments).await;
    assert!(whole.contains("Jos"), "{whole}");
    // From no bound to the last event, and to the one before.
    browser.write("//input[@id='handle-across']", &format!("{LEFT}{LEFT}")).await;
    browser.find("//section[@id='here']//p[contains(., 'what happened until')]").await;
    browser.find("//section[@id='here']//span[@class='string'][.='Kano']").await;
    let until = check_state(browser, shipments).await;
    assert_ne!(until, whole);
    // Down, the last thing that this replica learned was of three o'clock; before it, Jos.
    browser.write("//input[@id='handle-down']", &format!("{UP}{UP}{UP}{UP}{UP}")).await;
    browser.find("//section[@id='here']//span[@class='string'][.='Lagos']").await;
    let known = check_state(browser, shipments).await;
    assert!(known != until && known != whole, "{known}");
    browser.find("//section[@id='there']//tr[th[.='at']][td[.='Lagos']][td[.='Jos']]").await;
    assert_eq!(browser.count("#events tr.beyond").await, 4);
    browser.look("aggregate").await;
    // Who is sent the link sees the same.
    let sent = browser.url().await;
    browser.goto(&shipments.url("/ui")).await;
    browser.goto(&sent).await;
    browser.find("//section[@id='there']//tr[th[.='at']][td[.='Lagos']][td[.='Jos']]").await;
    assert_eq!(check_state(browser, shipments).await, known);
    let value = browser
        .ask("document.querySelector('#handle-across').getAttribute('aria-valuetext')")
        .await;
    assert_ne!(value, "no bound");
}

async fn take_an_event_back(browser: &Browser, shipments: &Shipments) {
    let url = shipments.url(&format!("/ui/r/shipment/a/{}", crate::connection::segment(TRUCK)));
    browser.goto(&url).await;
    browser.click("//section[@id='events']//tr[contains(., 'Kano')]//a").await;
    browser.find("//h1[.='Arrived']").await;
    browser.look("event").await;
    browser.click("//summary[.='Take it back']").await;
    browser.write("//input[@name='reason']", "another truck").await;
    browser.write("//input[@name='actor']", "Musa Bello").await;
    browser.click("//button[.='Take it back']").await;
    browser.find("//p[contains(., 'It was taken back')]").await;
    browser.goto(&url).await;
    browser.find("//tr[@class='voided'][contains(., 'Kano')]").await;
    browser.find("//tr[contains(., 'Voided')][contains(., 'Musa Bello')]").await;
    assert_eq!((browser.count("tr.voided").await, browser.count(".mark.voided").await), (1, 1));
    check_state(browser, shipments).await;
    // By its id alone, the form of another page leads to it.
    let id = browser.ask("document.querySelector('#events a[href*=\"/ui/e/\"]').href").await;
    let id = id.as_str().unwrap().rsplit('/').next().unwrap().replace("%3A", ":");
    browser.goto(&shipments.url("/ui/record")).await;
    browser.write("//input[@name='event']", &format!("{id}{ENTER}")).await;
    browser.find("//p[contains(., 'It was taken back')]").await;
    assert!(browser.url().await.ends_with(&id.replace(':', "%3A")));
}

async fn record(browser: &Browser, shipments: &Shipments) {
    browser.goto(&shipments.url("/ui/record?root=shipment&aggregate_id=new%2F1")).await;
    // Fields come of the schema, once the type is known.
    browser.write("//input[@name='type']", "Departed\t").await;
    browser.write("//input[@name='from']", "Jo").await;
    browser.write("//input[@name='pieces']", "12").await;
    browser.click("//select[@name='class']/option[.='cold']").await;
    browser.look("record").await;
    browser.ask("document.querySelector('#record').noValidate = true").await;
    browser.click("//button[.='Record it']").await;
    browser.find("//p[@id='recorded']//span[@class='problem'][contains(., 'data/from')]").await;
    let refused = browser.complaints(&["422"]).await;
    assert_eq!(refused, Vec::<String>::new());
    browser.write("//input[@name='from']", "s").await;
    browser.click("//button[.='Record it']").await;
    browser.click("//p[@id='recorded']//a[.='its aggregate']").await;
    browser.find("//h1[.='new/1']").await;
    let mut connection = shipments.connect().await;
    let state = connection.get("/a/shipment/new%2F1").await.check(200).json();
    assert_eq!(state, json!({"from": "Jos", "pieces": 12, "class": "cold"}));
    let events = connection.get("/a/shipment/new%2F1/events").await.check(200).json();
    assert_eq!(events["events"][0]["metadata"], json!({"actor": "Musa Bello"}));
}

async fn follow(browser: &Browser, shipments: Shipments) -> Shipments {
    browser.goto(&shipments.url("/ui/live?roots=shipment")).await;
    browser.find("//span[@id='following'][.='Following']").await;
    arrives(browser, &shipments, "before/1").await;
    browser.look("live").await;
    let shipments = shipments
        .restart(async || {
            browser.find("//span[@id='following'][contains(., 'cannot be reached')]").await;
        })
        .await;
    arrives(browser, &shipments, "after/1").await;
    browser.find("//span[@id='following'][.='Following']").await;
    browser.click("//button[.='Pause']").await;
    browser.find("//span[@id='following'][.='Paused']").await;
    let mut connection = shipments.connect().await;
    write(&mut connection, "shipment", arrival("paused/1")).await;
    assert_eq!(browser.count("#live tr.new").await, 2);
    browser.click("//button[.='Go on']").await;
    browser.find("//tbody[@id='live']/tr[1][contains(., 'paused/1')]").await;
    // While the server was away, the browser said so.
    assert_eq!(browser.complaints(&["/events?", "net::ERR_"]).await, Vec::<String>::new());
    shipments
}

fn arrival(id: &str) -> Value {
    json!({"aggregate_id": id, "type": "Arrived", "data": {"at": "<Kano>"}})
}

async fn arrives(browser: &Browser, shipments: &Shipments, id: &str) {
    write(&mut shipments.connect().await, "shipment", arrival(id)).await;
    browser.find(&format!("//tbody[@id='live']/tr[1][contains(., '{id}')]")).await;
}

/// A delivery of which was told eight months before the order.
const DELIVERED_FIRST: &str = "ASN-1252";

/// The same on 22,559 real events, which no test made up.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_finds_its_way_in_real_shipments() {
    let Some(lines) = crate::data_files::sample("scms.jsonl.zst") else { return };
    let Some(browser) = Browser::start().await else { return };
    let folder = TempDir::new().unwrap();
    let server = serve_plain(folder.path(), "127.0.0.1:0");
    let address = server.address;
    let mut shipments = Shipments { folder, server, address };
    let mut connection = shipments.connect().await;
    let lines: Vec<&str> = lines.lines().collect();
    // What comes in one request is learned of at one moment; the two events come in two.
    for batch in lines.chunks(250) {
        connection.send("POST", "/e/shipment", &[LINES], batch.join("\n")).await.check(201);
    }
    browser.goto(&shipments.url("/ui")).await;
    browser.click("//a[.='shipment']").await;
    assert_eq!(browser.count("tbody tr").await, 100);
    browser.write("//input[@id='find']", &format!("{DELIVERED_FIRST}{ENTER}")).await;
    browser.find(&format!("//h1[starts-with(., '{DELIVERED_FIRST}')]")).await;
    let whole = check_state_of(&browser, &shipments, DELIVERED_FIRST).await;
    // Across, before the later of the two happened; down, before the second was learned of.
    browser.write("//input[@id='handle-across']", &format!("{LEFT}{LEFT}")).await;
    browser.find("//section[@id='here']//p[contains(., 'what happened until')]").await;
    let until = check_state_of(&browser, &shipments, DELIVERED_FIRST).await;
    browser.goto(&shipments.url(&format!("/ui/r/shipment/a/{DELIVERED_FIRST}"))).await;
    browser.write("//input[@id='handle-down']", &format!("{UP}{UP}")).await;
    browser.find("//section[@id='here']//p[contains(., 'what was known')]").await;
    let known = check_state_of(&browser, &shipments, DELIVERED_FIRST).await;
    assert!(until != whole && known != whole && until != known, "{whole} {until} {known}");
    // The delivery is taken back, and struck.
    browser.goto(&shipments.url(&format!("/ui/r/shipment/a/{DELIVERED_FIRST}"))).await;
    browser.click("//section[@id='events']//tr[contains(., 'LineDelivered')]//a").await;
    browser.click("//summary[.='Take it back']").await;
    browser.write("//input[@name='reason']", "another order").await;
    browser.click("//button[.='Take it back']").await;
    browser.find("//p[contains(., 'It was taken back')]").await;
    browser.goto(&shipments.url(&format!("/ui/r/shipment/a/{DELIVERED_FIRST}"))).await;
    browser.find("//tr[@class='voided'][contains(., 'LineDelivered')]").await;
    check_state_of(&browser, &shipments, DELIVERED_FIRST).await;
    // What arrives after a restart is seen live.
    browser.goto(&shipments.url("/ui/live?roots=shipment")).await;
    browser.find("//span[@id='following'][.='Following']").await;
    let Shipments { folder, server, address } = shipments;
    assert!(server.terminate_soon().success());
    let server = serve_plain(folder.path(), &address.to_string());
    shipments = Shipments { folder, server, address };
    arrives(&browser, &shipments, "ASN-late").await;
    assert_eq!(browser.complaints(&["/events?", "net::ERR_"]).await, Vec::<String>::new());
    browser.close().await;
    assert!(shipments.server.terminate_soon().success());
}

fn serve_plain(folder: &Path, listen: &str) -> Process {
    let mut command = Command::new(PROGRAM);
    command.args(["--listen", listen, "--data"]).arg(folder.join("data"));
    Process::start_by(command.env("LATERBASE_LOG", "warn"))
}
