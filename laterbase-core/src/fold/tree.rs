//! JSON that is changed and keeps its numbers and strings as they were written.
//!
//! Invariant: what [`Tree::write`] writes, [`Tree::parse`] reads back to an equal tree. Text is
//! never turned into a number or a character and back, so there is nothing to get wrong, and a
//! state is the same whether it went through a snapshot or not.

use std::collections::BTreeMap;

use crate::json::{DataError, Nest, Sink, walk};

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    /// A string, a number, `true`, `false` or `null`, as it was written.
    Scalar(Box<str>),
    Array(Vec<Self>),
    Object(Members),
}

/// The members of an object by their names, without escapes: `"a"` and `"\u0061"` are one name.
pub(super) type Members = BTreeMap<Box<str>, Member>;

/// A value, and how its name is written, with quotation marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// `None` if it has no escapes, so that the name between quotation marks is it.
    written: Option<Box<str>>,
    value: Tree,
}

impl Tree {
    /// An object without members.
    pub(super) const fn empty() -> Self {
        Self::Object(Members::new())
    }

    /// Reads a text. Of members of one name, the last one counts.
    ///
    /// # Errors
    /// [`DataError`].
    pub(super) fn parse(json: &[u8]) -> Result<Self, DataError> {
        let mut builder = Builder::default();
        walk(json, &mut builder)?;
        Ok(builder.done.expect("a text that was walked through is one value"))
    }

    /// Appends the text: without spaces, members in the order of their names.
    ///
    /// Recursive: a tree is no deeper than the data that it was made of.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Scalar(raw) => out.extend_from_slice(raw.as_bytes()),
            Self::Array(elements) => write_list(out, *b"[]", elements, |out, element| {
                element.write(out);
            }),
            Self::Object(members) => write_list(out, *b"{}", members, |out, (name, member)| {
                member.write_name(out, name);
                out.push(b':');
                member.value.write(out);
            }),
        }
    }

    /// `MergePatch(Target, Patch)` of RFC 7396, section 2. The target gets no deeper than the
    /// deeper one of the two.
    pub(super) fn merge(&mut self, patch: Self) {
        let Self::Object(patch) = patch else {
            *self = patch;
            return;
        };
        if !matches!(self, Self::Object(_)) {
            *self = Self::empty();
        }
        let Self::Object(target) = self else { return };
        for (name, Member { written, value }) in patch {
            if value.is_null() {
                target.remove(&name);
                continue;
            }
            let fresh = || Member { written: None, value: Self::empty() };
            let member = target.entry(name).or_insert_with(fresh);
            member.written = written;
            member.value.merge(value);
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Self::Scalar(raw) if &**raw == "null")
    }
}

impl Member {
    fn write_name(&self, out: &mut Vec<u8>, name: &str) {
        match &self.written {
            Some(written) => out.extend_from_slice(written.as_bytes()),
            None => {
                out.push(b'"');
                out.extend_from_slice(name.as_bytes());
                out.push(b'"');
            }
        }
    }
}

fn write_list<T>(
    out: &mut Vec<u8>,
    [open, close]: [u8; 2],
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(close);
}

/// Puts a tree together from the pieces of a text.
#[derive(Default)]
struct Builder<'a> {
    /// What is open, the innermost last.
    open: Vec<Open<'a>>,
    done: Option<Tree>,
}

enum Open<'a> {
    Array(Vec<Tree>),
    /// The members so far, and the name of the next one.
    Object(Members, &'a str),
}

impl Builder<'_> {
    fn add(&mut self, value: Tree) {
        match self.open.last_mut() {
            None => self.done = Some(value),
            Some(Open::Array(elements)) => elements.push(value),
            Some(Open::Object(members, raw)) => {
                let (name, written) = read_name(raw);
                members.insert(name, Member { written, value });
            }
        }
    }
}

impl<'a> Sink<'a> for Builder<'a> {
    fn open(&mut self, nest: Nest) {
        self.open.push(match nest {
            Nest::Array => Open::Array(Vec::new()),
            Nest::Object => Open::Object(Members::new(), ""),
        });
    }

    fn name(&mut self, raw: &'a str) {
        if let Some(Open::Object(_, name)) = self.open.last_mut() {
            *name = raw;
        }
    }

    fn scalar(&mut self, raw: &'a str) {
        self.add(Tree::Scalar(raw.into()));
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Open::Array(elements)) => self.add(Tree::Array(elements)),
            Some(Open::Object(members, _)) => self.add(Tree::Object(members)),
            None => {}
        }
    }
}

/// A name without its quotation marks and escapes, and how it is written where it has some.
fn read_name(raw: &str) -> (Box<str>, Option<Box<str>>) {
    if !raw.contains('\\') {
        return (raw[1..raw.len() - 1].into(), None);
    }
    let name: String = serde_json::from_str(raw).expect("a string that was walked through");
    (name.into(), Some(raw.into()))
}

#[cfg(test)]
mod tests;
