//! Readers that follow a server, each by a cursor of its own kind.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{
    events::ROOT,
    held::{Held, check_ids},
    replica::Replica as _,
    server::Server,
};

/// How a reader says where it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// By a cursor of one root, in the order of recording.
    Feed,
    /// By a cursor of everything, in the order of arrival.
    Arrivals,
    /// By what it holds, one number for each origin.
    Vector,
}

/// A reader, which keeps what it got and where it is. An event that comes twice is an error.
pub(super) struct Reader {
    way: Way,
    place: String,
    pub(super) held: Held,
}

impl Reader {
    pub(super) fn new(way: Way) -> Self {
        Self { way, place: String::new(), held: Held::default() }
    }

    /// One of each kind.
    pub(super) fn each() -> [Self; 3] {
        [Way::Feed, Way::Arrivals, Way::Vector].map(Self::new)
    }

    pub(super) fn name(&self) -> String {
        format!("the reader by {:?}", self.way).to_lowercase()
    }

    /// Reads on until there is nothing more, and returns the ids that came.
    pub(super) fn news(&mut self, server: &Server) -> Result<BTreeSet<String>> {
        let mut news = BTreeSet::new();
        while self.read_page(server, &mut news).with_context(|| self.name())? {}
        Ok(news)
    }

    /// True if there is more.
    fn read_page(&mut self, server: &Server, news: &mut BTreeSet<String>) -> Result<bool> {
        if let Way::Vector = self.way {
            return self.read_by_vector(server, news);
        }
        let path = match self.way {
            Way::Arrivals => format!("/events?roots={ROOT}"),
            Way::Feed | Way::Vector => format!("/e/{ROOT}"),
        };
        let page = server.page(&path, &self.place)?;
        news.extend(self.held.take(&page.lines)?);
        self.place = page.after.unwrap_or_else(|| std::mem::take(&mut self.place));
        Ok(page.has_more)
    }

    fn read_by_vector(&mut self, server: &Server, news: &mut BTreeSet<String>) -> Result<bool> {
        let vector = match self.place.as_str() {
            "" => String::new(),
            place => format!("&vv={place}"),
        };
        let answer = server.get(&format!("/e/{ROOT}?limit=4000{vector}"), "application/json")?;
        let answer = answer.json()?;
        let events = answer["events"].as_array().context("a page without events")?;
        let lines: String = events.iter().map(|event| event.to_string() + "\n").collect();
        news.extend(self.held.take(&lines)?);
        answer["vv"].as_str().context("a page without a vector")?.clone_into(&mut self.place);
        Ok(answer["more"] == Value::Bool(true))
    }
}

/// An error unless each reader gets exactly these events.
pub(super) fn check_news(
    readers: &mut [Reader],
    server: &Server,
    expected: &BTreeSet<String>,
) -> Result<()> {
    for reader in readers {
        let news = reader.news(server)?;
        check_ids(&reader.name(), expected, &news)?;
    }
    Ok(())
}

/// An error unless each reader has, altogether, what the server holds.
pub(super) fn check_caught_up(readers: &[Reader], server: &Server) -> Result<()> {
    let held = server.held(ROOT)?;
    for reader in readers {
        check_ids(&reader.name(), &held.ids(), &reader.held.ids())?;
    }
    Ok(())
}
