//! Typed events and states at a server, in the words that its own process has for them too.

use http::header::{ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use laterbase_core::Precondition;
use laterbase_core::fold::{Aggregate, FoldError, state_from_json};
use laterbase_core::id::RootName;
use laterbase_core::time::{format_time, format_time_at};
use laterbase_core::typed::{AggregateAt, Append, At, EncodedFact, Recorded, Unwritable};

use super::exchange::Call;
use super::wire::{NewEvent, Written};
use super::{Client, ClientError, EVENT_COUNT_HEADER, decode, header, number};
use crate::transport::Transport;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REFUSED_COUNT_HEADER: &str = "laterbase-refused-count";

impl<T: Transport> Client<T> {
    /// Writes typed events, whole or not at all. They are durable at the server when this returns.
    ///
    /// A lost answer leaves it open whether they were stored: an append with a key can be made
    /// again.
    ///
    /// ```no_run
    /// # use laterbase_client::{client::Client, transport::HttpTransport};
    /// # use laterbase_core::{event::Event, fold::{Aggregate, FoldError}, id::RootName};
    /// # use laterbase_core::typed::{Append, At};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Serialize, Deserialize)]
    /// # struct Pallet { kg: u32 }
    /// # #[derive(Serialize, Deserialize)]
    /// # #[serde(tag = "type", content = "data")]
    /// # enum PalletEvent { Weighed { kg: u32 } }
    /// # impl Aggregate for Pallet {
    /// #     type Event = PalletEvent;
    /// #     const NAME: &'static str = "pallet";
    /// #     fn apply(&mut self, event: PalletEvent, _: &Event<'_>) -> Result<(), FoldError> {
    /// #         let PalletEvent::Weighed { kg } = event;
    /// #         self.kg = kg;
    /// #         Ok(())
    /// #     }
    /// # }
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = Client::new("http://127.0.0.1:4920".parse()?, HttpTransport::new()?);
    /// let root = RootName::new("pallet")?;
    /// let weighed = PalletEvent::Weighed { kg: 412 };
    /// client.append(&Append::<Pallet>::to(&root, "P1").event(weighed).key("scale-9")).await?;
    /// let pallet = client.aggregate::<Pallet>(&root, "P1", At::now()).await?;
    /// # let _ = pallet;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn append<A: Aggregate>(&self, append: &Append<A>) -> Result<Recorded, ClientError> {
        let facts = append.encoded()?;
        let events: Vec<NewEvent> =
            facts.into_iter().map(|fact| new_event(append.aggregate_id(), fact)).collect();
        let reply = self.post_events(append.root(), &events, headers(append)?).await?;
        let Written { ids } = decode(&reply)?;
        let etag = header(&reply, ETAG.as_str()).ok().map(unquoted);
        Ok(Recorded { ids, etag, is_repeat: reply.status == StatusCode::OK })
    }

    /// Reads an aggregate by the fold of its type; `None` if the server knows no event of it within
    /// those times.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::Problem`] if the server has not registered the aggregate for
    /// the root, [`ClientError::Protocol`] if its state is not of the type.
    pub async fn aggregate<A: Aggregate>(
        &self,
        root: &RootName,
        id: &str,
        at: At,
    ) -> Result<Option<AggregateAt<A>>, ClientError> {
        let mut query = vec![("fold", A::NAME.to_owned())];
        let At { occurred_until, recorded_until, known_at } = at;
        let bounds = [
            ("occurred_until", occurred_until),
            ("recorded_until", recorded_until),
            ("known_at", known_at),
        ];
        query.extend(bounds.into_iter().filter_map(|(name, at)| Some((name, format_time(at?)))));
        let segments = ["a", root.as_str(), id];
        let reply = match self.exchange.call(Call::get(&segments, &query)).await {
            Ok(reply) => reply,
            Err(ClientError::Problem(problem)) if problem.is("unknown-aggregate") => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let state = state_from_json(&reply.body).map_err(|FoldError(reason)| {
            ClientError::protocol(format!("the state is none of {}: {reason}", A::NAME))
        })?;
        let refused_count = match reply.headers.contains_key(REFUSED_COUNT_HEADER) {
            true => number(&reply, REFUSED_COUNT_HEADER)?,
            false => 0,
        };
        Ok(Some(AggregateAt {
            state,
            etag: unquoted(header(&reply, ETAG.as_str())?),
            event_count: number(&reply, EVENT_COUNT_HEADER)?,
            refused_count,
        }))
    }
}

fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

fn new_event(aggregate_id: &str, fact: EncodedFact) -> NewEvent {
    let occurred_at = fact.occurred.map(|nanos| match fact.occurred_offset {
        Some(minutes) => format_time_at(nanos, minutes),
        None => format_time(nanos),
    });
    NewEvent {
        aggregate_id: aggregate_id.to_owned(),
        event_type: fact.event_type,
        version: Some(fact.version),
        occurred_at,
        data: Some(fact.data),
        data_base64: None,
        idempotency_key: fact.idempotency_key,
        metadata: fact.metadata.into_iter().collect(),
        voids: fact.voids,
    }
}

/// What the append depends on, and its key.
fn headers<A: Aggregate>(append: &Append<A>) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    if let Some(key) = append.whole_key() {
        let key = HeaderValue::from_str(key).map_err(|_not_ascii| Unwritable::Key)?;
        headers.insert(IDEMPOTENCY_KEY, key);
    }
    match append.precondition() {
        None => {}
        Some(Precondition::Absent) => {
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        Some(Precondition::Present) => {
            headers.insert(IF_MATCH, HeaderValue::from_static("*"));
        }
        Some(Precondition::Etag(etags)) => {
            let etags: Vec<String> = etags.iter().map(|etag| format!("\"{etag}\"")).collect();
            let etags = HeaderValue::from_str(&etags.join(", "));
            headers.insert(IF_MATCH, etags.map_err(|_not_ascii| Unwritable::Etag)?);
        }
    }
    Ok(headers)
}
