//! A real browser for the tests of the pages: Chromium without a window, asked by its driver.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fantoccini::elements::Element;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything that is waited for may take, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

const ARGUMENTS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1280,1000",
];

/// A browser with one page, and the driver that it hangs on. Both end when it is dropped.
pub struct Browser {
    client: Client,
    driver: Driver,
    /// Where `axe-core` is, if it is there.
    axe: Option<String>,
    _profile: TempDir,
}

/// The driver is the head of a process group, in which its browsers are.
struct Driver {
    child: Child,
    port: u16,
    /// Kept, so that what it says later does not end it.
    _output: BufReader<ChildStdout>,
}

impl Driver {
    /// Starts it; `None` where there is none.
    fn start() -> Option<Self> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").process_group(0).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        loop {
            let start = said.len();
            assert!(output.read_line(&mut said).unwrap() > 0, "the driver does not start: {said}");
            let line = said[start..].trim();
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                let port = port.trim_end_matches('.').parse().unwrap();
                return Some(Self { child, port, _output: output });
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

/// A request to the driver that is none of the standard's.
#[derive(Debug)]
struct Extra(&'static str, Value);

impl WebDriverCompatibleCommand for Extra {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap(), self.0))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.1.to_string()))
    }
}

impl Browser {
    /// Starts a browser; `None` where there is no Chromium with its driver.
    #[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
    pub async fn start() -> Option<Self> {
        let Some(driver) = Driver::start().filter(|_| has_chromium()) else {
            eprintln!("left out, as there is no Chromium (Debian: chromium, chromium-driver)");
            return None;
        };
        let axe = std::fs::read_to_string(axe_path()).ok();
        if axe.is_none() {
            eprintln!("left out: axe-core, as `{}` is not there", axe_path().display());
        }
        let profile = TempDir::new().unwrap();
        let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let capabilities = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .unwrap();
        let browser = Self { client, driver, axe, _profile: profile };
        // The page that it opens with is its own, and no part of what is asked about later.
        browser.goto("about:blank").await;
        browser.requested().await;
        browser.complaints(&[]).await;
        Some(browser)
    }

    pub async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    pub async fn url(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }

    /// Waits until something is there.
    pub async fn find(&self, xpath: &str) -> Element {
        let waiting = self.client.wait().at_most(PATIENCE).for_element(Locator::XPath(xpath));
        match waiting.await {
            Ok(found) => found,
            Err(error) => panic!("{xpath}: {error}: {}", self.client.source().await.unwrap()),
        }
    }

    pub async fn count(&self, css: &str) -> usize {
        self.client.find_all(Locator::Css(css)).await.unwrap().len()
    }

    pub async fn click(&self, xpath: &str) {
        let found = self.find(xpath).await;
        self.run("arguments[0].scrollIntoView({block: 'center'})", &found).await;
        found.click().await.unwrap();
    }

    pub async fn write(&self, xpath: &str, keys: &str) {
        self.find(xpath).await.send_keys(keys).await.unwrap();
    }

    /// What an expression is in the page.
    pub async fn ask(&self, expression: &str) -> Value {
        self.client.execute(&format!("return {expression}"), Vec::new()).await.unwrap()
    }

    async fn run(&self, script: &str, element: &Element) {
        let element = serde_json::to_value(element).unwrap();
        self.client.execute(script, vec![element]).await.unwrap();
    }

    async fn extra(&self, endpoint: &'static str, body: Value) -> Value {
        self.client.issue_cmd(Extra(endpoint, body)).await.unwrap()
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.extra("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// What the console said since it was asked last, but for what is told.
    pub async fn complaints(&self, but_for: &[&str]) -> Vec<String> {
        let log = self.extra("se/log", json!({ "type": "browser" })).await;
        let is_told =
            |entry: &String| !but_for.is_empty() && but_for.iter().all(|part| entry.contains(part));
        let entries = log.as_array().unwrap().iter().map(ToString::to_string);
        entries.filter(|entry| !is_told(entry)).collect()
    }

    /// Where requests of the page went since it was asked last.
    pub async fn requested(&self) -> Vec<String> {
        let log = self.extra("se/log", json!({ "type": "performance" })).await;
        let url = |entry: &Value| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &message["message"];
            let is_sent = message["method"] == "Network.requestWillBeSent";
            let url = message["params"]["request"]["url"].as_str()?;
            is_sent.then(|| url.to_owned())
        };
        log.as_array().unwrap().iter().filter_map(url).collect()
    }

    /// Keeps pictures of the page in light, dark and on a phone, and has it judged for people who
    /// use it in other ways than with eyes and a mouse.
    pub async fn look(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page");
        std::fs::create_dir_all(&folder).unwrap();
        for (kind, scheme, width) in
            [("light", "light", 1_280), ("dark", "dark", 1_280), ("phone", "light", 390)]
        {
            let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
            self.devtools("Emulation.setEmulatedMedia", json!({ "features": [feature] })).await;
            let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500 });
            self.devtools("Emulation.setDeviceMetricsOverride", size).await;
            let whole = json!({ "captureBeyondViewport": true });
            let picture = self.devtools("Page.captureScreenshot", whole).await;
            let bytes = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
            std::fs::write(folder.join(format!("{name}-{kind}.png")), bytes).unwrap();
            let wide = self.ask("document.documentElement.scrollWidth - innerWidth").await;
            assert!(wide.as_i64().unwrap() <= 0, "{name} {kind} is {wide} too wide");
            self.judge(&format!("{name} {kind}")).await;
        }
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
    }

    async fn judge(&self, name: &str) {
        let Some(axe) = &self.axe else { return };
        self.client.execute(axe, Vec::new()).await.unwrap();
        let judging = "const done = arguments[arguments.length - 1];
            axe.run(document, { resultTypes: ['violations'] }).then((found) => done(found.violations.map(
                ({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map((node) => node.html) }))))";
        let found = self.client.execute_async(judging, Vec::new()).await.unwrap();
        let serious = |it: &&Value| matches!(it["impact"].as_str(), Some("serious" | "critical"));
        let serious: Vec<&Value> = found.as_array().unwrap().iter().filter(serious).collect();
        assert!(serious.is_empty(), "{name}: {serious:#?}");
    }

    pub async fn close(self) {
        let Self { client, driver, .. } = self;
        client.close().await.unwrap();
        drop(driver);
    }
}

fn has_chromium() -> bool {
    let asked = Command::new("chromium").arg("--version").stderr(Stdio::null()).output();
    asked.is_ok_and(|output| output.status.success())
}

/// Where `cargo xtask test` puts it.
fn axe_path() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("axe-core/package/axe.min.js")
}
