//! What is said on the socket: a greeting by the holder, then requests and answers in turn.

use laterbase_core::PreparedBatch;
use laterbase_core::id::RootName;
use laterbase_core::reader::Remembered;

use super::Refused;
use super::codec::{Input, Malformed, Output};
use super::receipts::Token;

/// What a greeting begins with.
const MAGIC: [u8; 4] = *b"LBHO";

/// The protocol that is spoken here. Records travel in their stored form, so their format is part
/// of it.
pub(super) const VERSION: u8 = 2;

/// Stands for "no single one" where a batch or an event is named.
const NONE: u32 = u32::MAX;

/// The holder's first words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) version: u8,
    /// The holder's process.
    pub(super) process: u32,
}

impl Greeting {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut out = Output::default();
        out.raw(&MAGIC).byte(self.version).u32(self.process);
        out.into_bytes()
    }

    /// Later versions may say more.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Input(bytes);
        if input.array::<4>()? != MAGIC {
            return Err(Malformed);
        }
        Ok(Self { version: input.byte()?, process: input.u32()? })
    }
}

/// What a holder is asked to do.
#[derive(Debug)]
pub(super) enum Request<'b> {
    /// Record these events of some roots, together.
    Record { token: Token, batches: Vec<HandedBatch<'b>> },
    /// Remember something.
    Remember(Vec<Remembered>),
}

/// Events of one root, in their stored form.
#[derive(Debug)]
pub(super) struct HandedBatch<'b> {
    pub(super) root: RootName,
    pub(super) records: Vec<&'b [u8]>,
}

/// Asks for batches to be recorded.
pub(super) fn encode_record(token: &Token, batches: &[&PreparedBatch]) -> Vec<u8> {
    let mut out = Output::default();
    out.byte(b'r').raw(token).count(batches.len());
    for batch in batches {
        out.text(batch.root().as_str().as_bytes()).count(batch.len());
        for record in batch.encoded() {
            out.text(record);
        }
    }
    out.into_bytes()
}

/// Asks for something to be remembered.
pub(super) fn encode_remember(entries: &[Remembered]) -> Vec<u8> {
    let mut out = Output::default();
    out.byte(b'm').count(entries.len());
    for (key, value) in entries {
        out.text(key).text(value);
    }
    out.into_bytes()
}

impl<'b> Request<'b> {
    pub(super) fn decode(bytes: &'b [u8]) -> Result<Self, Malformed> {
        let mut input = Input(bytes);
        let request = match input.byte()? {
            b'r' => {
                let token = input.array()?;
                let batches = input.list(|input| {
                    let root = RootName::new(input.utf8()?).map_err(|_no_name| Malformed)?;
                    Ok(HandedBatch { root, records: input.list(Input::text)? })
                })?;
                Self::Record { token, batches }
            }
            b'm' => Self::Remember(
                input.list(|input| Ok((input.text()?.to_vec(), input.text()?.to_vec())))?,
            ),
            _ => return Err(Malformed),
        };
        input.end()?;
        Ok(request)
    }
}

/// What a holder says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is done and durable; so many events were new.
    Done(u64),
    /// Nothing of it is stored: for the first of these, and the others would come behind it.
    Refused(Vec<Refused>),
}

impl Answer {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Output::default();
        match self {
            Self::Done(stored) => {
                out.byte(b'd').u64(*stored);
            }
            Self::Refused(refused) => {
                out.byte(b'x').count(refused.len());
                for Refused { batch, index, field, detail, holder } in refused {
                    for place in [batch, index] {
                        out.u32(place.and_then(|place| u32::try_from(place).ok()).unwrap_or(NONE));
                    }
                    out.text(field.as_deref().unwrap_or_default().as_bytes());
                    out.text(detail.as_bytes());
                    let holder = holder.as_ref().map(ToString::to_string).unwrap_or_default();
                    out.text(holder.as_bytes());
                }
            }
        }
        out.into_bytes()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Input(bytes);
        let answer = match input.byte()? {
            b'd' => Self::Done(input.u64()?),
            b'x' => Self::Refused(input.list(|input| {
                let mut place = || match input.u32()? {
                    NONE => Ok(None),
                    place => Ok(Some(place as usize)),
                };
                let (batch, index) = (place()?, place()?);
                let field = Some(input.utf8()?.to_owned()).filter(|field| !field.is_empty());
                let detail = input.utf8()?.to_owned();
                let holder = match input.utf8()? {
                    "" => None,
                    id => Some(id.parse().map_err(|_no_id| Malformed)?),
                };
                Ok(Refused { batch, index, field, detail, holder })
            })?),
            _ => return Err(Malformed),
        };
        input.end()?;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests;
