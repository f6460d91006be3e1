//! The parameters of a request: path segments, query, and the headers that choose a form.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, HeaderName};
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use laterbase_core::Place;
use laterbase_core::cursor::Cursor;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::limits::{BATCH_EVENTS_MAX, NAME_BYTES_MAX, PAGE_EVENTS_DEFAULT};
use laterbase_core::reader::{Order, Query, Window};
use laterbase_core::selection::RootSelection;
use laterbase_core::sync::answer::read_head;
use laterbase_core::time::parse_time_bound;
use laterbase_core::version_vector::VersionVector;

use crate::problem::{Kind, Problem, Result};

/// What a reader of an event stream sends when it comes back, by the rules of the HTML standard.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What a reader of an event stream saw last. By the same rules, an empty id is none.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(LAST_EVENT_ID)?;
    Some(id.to_str().unwrap_or("?").trim()).filter(|id| !id.is_empty())
}

/// Path segments of a route, percent-decoded: a text, or a pair of them.
///
/// They are the last ones of the path. Where the router is nested, those before them belong to
/// whatever stands around it.
pub(crate) struct Segments<T>(pub T);

impl<T: PathSegments, S: Send + Sync> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let unreadable = |detail: String| Problem::parameter("path", detail);
        let path = RawPathParams::from_request_parts(parts, state).await;
        let path = path.map_err(|rejection| {
            unreadable(format!("cannot be read: {}", rejection.body_text()))
        })?;
        let segments: Vec<&str> = path.iter().map(|(_, segment)| segment).collect();
        T::last_of(&segments).map(Self).ok_or_else(|| unreadable("has too few segments".to_owned()))
    }
}

/// What [`Segments`] can hold.
pub(crate) trait PathSegments: Sized + Send {
    /// Takes the last segments, as many as it holds.
    fn last_of(segments: &[&str]) -> Option<Self>;
}

impl PathSegments for String {
    fn last_of(segments: &[&str]) -> Option<Self> {
        segments.last().map(|&last| last.to_owned())
    }
}

impl PathSegments for (String, String) {
    fn last_of(segments: &[&str]) -> Option<Self> {
        let [.., first, last] = segments else { return None };
        Some(((*first).to_owned(), (*last).to_owned()))
    }
}

/// The query's parameters. The route's declaration has checked that it has them, and which of them
/// were given more than once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters(BTreeMap<String, Vec<String>>);

impl From<BTreeMap<String, Vec<String>>> for Parameters {
    fn from(values: BTreeMap<String, Vec<String>>) -> Self {
        Self(values)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self> {
        Ok(parts.extensions.remove().unwrap_or_default())
    }
}

/// The parameters of [`Parameters::query`].
pub(crate) const QUERY_NAMES: [&str; 4] = ["fold", "occurred_until", "recorded_until", "known_at"];

/// The parameters of [`Parameters::window`].
pub(crate) const WINDOW_NAMES: [&str; 3] = ["occurred_from", "recorded_from", "order"];

impl Parameters {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).first().map(String::as_str)
    }

    /// The names of those that were given.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All values of a parameter that may be given more than once.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Most events on a page.
    pub(crate) fn limit(&self) -> Result<usize> {
        self.limit_of(PAGE_EVENTS_DEFAULT, BATCH_EVENTS_MAX)
    }

    /// Most entries on a page, and what that is if the caller does not say.
    pub(crate) fn limit_of(&self, default: usize, max: usize) -> Result<usize> {
        let Some(text) = self.get("limit") else { return Ok(default) };
        match usize::from_str(text) {
            Ok(limit) if (1..=max).contains(&limit) => Ok(limit),
            _ => {
                let detail = format!("must be a whole number from 1 to {max}");
                Err(Problem::parameter("limit", detail))
            }
        }
    }

    /// The roots that a caller takes; all, if it does not say.
    pub(crate) fn roots(&self) -> Result<RootSelection> {
        let text = self.get("roots").unwrap_or_default();
        text.parse().map_err(|error| Problem::parameter("roots", format!("{error}")))
    }

    /// A parameter that is `true` or `false`; `false` if the caller does not say.
    pub(crate) fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::parameter(name, "must be true or false")),
        }
    }

    /// What the caller holds; nothing, if it does not say.
    pub(crate) fn vv(&self) -> Result<VersionVector> {
        parse_vv("vv", self.get("vv").unwrap_or_default())
    }

    /// The aggregate id behind which a page starts.
    pub(crate) fn after_id(&self) -> Result<Option<String>> {
        self.get("after").map(|text| read_id_cursor(text).ok_or_else(bad_cursor)).transpose()
    }

    /// The root and aggregate id behind which a page starts.
    pub(crate) fn after_root_id(&self) -> Result<Option<(RootName, String)>> {
        self.get("after").map(|text| read_root_id_cursor(text).ok_or_else(bad_cursor)).transpose()
    }

    /// The place in fold order behind which a page of an aggregate's events starts.
    pub(crate) fn after_place(&self, root: &RootName, id: &str) -> Result<Option<Place>> {
        let read = |text| read_place_cursor(text, root, id).ok_or_else(bad_cursor);
        self.get("after").map(read).transpose()
    }

    /// The root and origin behind which a page starts, in the form of [`laterbase_core::sync::answer::head_text`].
    pub(crate) fn after_origin(&self, source: &str) -> Result<Option<(RootName, ReplicaId)>> {
        let Some(text) = self.get("after") else { return Ok(None) };
        read_head(text)
            .map(Some)
            .ok_or_else(|| Problem::parameter("after", format!("not {source}")))
    }

    /// Which events a read looks at, and by which fold.
    pub(crate) fn query(&self) -> Result<Query> {
        Ok(Query {
            fold: self.get("fold").map(str::to_owned),
            occurred_until: self.time("occurred_until")?,
            recorded_until: self.time("recorded_until")?,
            known_at: self.time("known_at")?,
        })
    }

    /// Which of those events are listed, and from which end.
    pub(crate) fn window(&self) -> Result<Window> {
        let order = match self.get("order") {
            None | Some("asc") => Order::Ascending,
            Some("desc") => Order::Descending,
            Some(_) => return Err(Problem::parameter("order", "must be asc or desc")),
        };
        Ok(Window {
            occurred_from: self.time("occurred_from")?,
            recorded_from: self.time("recorded_from")?,
            order,
        })
    }

    /// Those that are not empty: a form sends every field that it has.
    #[cfg(feature = "console")]
    pub(crate) fn filled(mut self) -> Self {
        for values in self.0.values_mut() {
            values.retain(|value| !value.trim().is_empty());
        }
        self.0.retain(|_, values| !values.is_empty());
        self
    }

    /// A moment; `None` if the caller does not say.
    pub(crate) fn time(&self, name: &str) -> Result<Option<i64>> {
        let time = self.get(name).map(|text| parse_time_bound(&with_plus(text))).transpose();
        time.map_err(|error| Problem::parameter(name, error.to_string()))
    }
}

/// Puts back the plus of a time's offset. In a query it means a space, unless it is encoded, and
/// few who write a time by hand think of that.
fn with_plus(text: &str) -> Cow<'_, str> {
    match text.len().checked_sub("+01:00".len()).and_then(|at| text.split_at_checked(at)) {
        Some((time, offset)) if time.len() >= "2024-03-01T00:00:00".len() => {
            match offset.strip_prefix(' ') {
                Some(offset) => Cow::Owned(format!("{time}+{offset}")),
                None => Cow::Borrowed(text),
            }
        }
        _ => Cow::Borrowed(text),
    }
}

/// Reads a version vector that a caller sent back.
pub(crate) fn parse_vv(name: &str, text: &str) -> Result<VersionVector> {
    text.parse().map_err(|error| Problem::parameter(name, format!("no version vector: {error}")))
}

/// Reads a cursor into the arrival log that a caller sent back.
pub(crate) fn parse_cursor(name: &str, text: &str) -> Result<Cursor> {
    text.parse().map_err(|error| Problem::parameter(name, format!("no cursor: {error}")))
}

fn bad_cursor() -> Problem {
    Problem::parameter("after", "not what `next` of a page said")
}

/// What a cursor goes on from, so that one kind is not taken for the other.
const ID_CURSOR: u8 = 1;
const PLACE_CURSOR: u8 = 2;
const ROOT_ID_CURSOR: u8 = 3;

/// The cursor behind an aggregate id.
pub(crate) fn id_cursor(id: &str) -> String {
    URL_SAFE_NO_PAD.encode([&[ID_CURSOR], id.as_bytes()].concat())
}

/// The cursor behind an aggregate id of a root, where several roots are listed.
pub(crate) fn root_id_cursor(root: &RootName, id: &str) -> String {
    let root = root.as_str().as_bytes();
    URL_SAFE_NO_PAD.encode([&[ROOT_ID_CURSOR], root, &[0], id.as_bytes()].concat())
}

/// The cursor behind a place in fold order, among the events of an aggregate.
pub(crate) fn place_cursor(place: &Place, root: &RootName, id: &str) -> String {
    let aggregate = aggregate_mark(root, id);
    URL_SAFE_NO_PAD.encode([&[PLACE_CURSOR], &aggregate[..], place.as_bytes()].concat())
}

/// Tells a cursor of one aggregate from that of another, behind which lie other events.
fn aggregate_mark(root: &RootName, id: &str) -> [u8; 4] {
    let text = format!("{root}\0{id}");
    crc32fast::hash(text.as_bytes()).to_be_bytes()
}

fn read_id_cursor(text: &str) -> Option<String> {
    let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let is_id =
        bytes.first() == Some(&ID_CURSOR) && (2..=NAME_BYTES_MAX + 1).contains(&bytes.len());
    is_id.then(|| String::from_utf8(bytes.split_off(1)).ok()).flatten()
}

fn read_root_id_cursor(text: &str) -> Option<(RootName, String)> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (&ROOT_ID_CURSOR, rest) = bytes.split_first()? else { return None };
    // No name of a root has a NUL in it; an id may.
    let (root, id) = std::str::from_utf8(rest).ok()?.split_once('\0')?;
    let is_id = (1..=NAME_BYTES_MAX).contains(&id.len());
    Some((root.parse().ok()?, id.to_owned())).filter(|_| is_id)
}

fn read_place_cursor(text: &str, root: &RootName, id: &str) -> Option<Place> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (&PLACE_CURSOR, rest) = bytes.split_first()? else { return None };
    let (aggregate, place) = rest.split_at_checked(4)?;
    let is_of_it = aggregate == aggregate_mark(root, id);
    Some(Place::from_bytes(place.try_into().ok()?)).filter(|_| is_of_it)
}

/// Chooses the media type that the caller likes best among those offered; the first one, if it
/// does not care.
///
/// # Errors
/// 406 if it takes none of them.
pub(crate) fn choose(headers: &HeaderMap, offered: &[&'static str]) -> Result<&'static str> {
    let accept: Vec<&str> =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let accept = accept.join(",");
    // A list of nothing states no wish.
    if accept.split(',').all(|range| range.trim().is_empty()) {
        return Ok(offered[0]);
    }
    let mut best = None;
    for media_type in offered {
        let quality = quality(&accept, media_type);
        if quality > best.map_or(0, |(_, quality)| quality) {
            best = Some((*media_type, quality));
        }
    }
    best.map(|(media_type, _)| media_type).ok_or_else(|| {
        Problem::new(Kind::NotAcceptable).detail(format!("the route gives {}", offered.join(", ")))
    })
}

/// How much an `Accept` header likes a media type, in thousandths: what its most specific range
/// says (RFC 9110, section 12.5.1).
fn quality(accept: &str, media_type: &str) -> u32 {
    let mut found = (0, 0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let specificity = match name {
            "*/*" => 1,
            _ if name.eq_ignore_ascii_case(media_type) => 3,
            _ => match (name.split_once("/*"), media_type.split_once('/')) {
                (Some((kind, "")), Some((ours, _))) if kind.eq_ignore_ascii_case(ours) => 2,
                _ => continue,
            },
        };
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1_000, thousandths);
        if specificity > found.0 {
            found = (specificity, quality);
        }
    }
    found.1
}

/// Reads `0.5` as 500. What is not of the form counts as dislike.
pub(crate) fn thousandths(text: &str) -> u32 {
    match text.split_at_checked(1) {
        Some(("1", _)) => 1_000,
        Some(("0", rest)) => {
            let digits = rest.strip_prefix('.').unwrap_or_default();
            format!("{digits:0<3}").get(..3).and_then(|text| text.parse().ok()).unwrap_or(0)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
