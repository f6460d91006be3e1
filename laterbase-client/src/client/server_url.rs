//! Where a server is, and the addresses of its resources.

use std::fmt;
use std::str::FromStr;

use http::uri::{Authority, Scheme, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::ClientError;

/// What stands for itself in a path segment and in a query's value (RFC 3986, "unreserved").
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A server's base URL: `http` or `https`, a host, and perhaps a path under which it is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    scheme: Scheme,
    authority: Authority,
    /// Empty, or begins with a slash and does not end with one.
    prefix: String,
}

impl ServerUrl {
    /// What the `Host` header says.
    pub(super) fn host(&self) -> &str {
        self.authority.as_str()
    }

    /// The address of the resource at `segments`, with the `query`'s names and values.
    pub(super) fn resource(
        &self,
        segments: &[&str],
        query: &[(&str, String)],
    ) -> Result<Uri, ClientError> {
        let mut path = self.prefix.clone();
        for segment in segments {
            path.push('/');
            path.extend(utf8_percent_encode(segment, KEPT));
        }
        if segments.is_empty() {
            path.push('/');
        }
        for (index, (name, value)) in query.iter().enumerate() {
            path.push(if index == 0 { '?' } else { '&' });
            path.push_str(name);
            path.push('=');
            path.extend(utf8_percent_encode(value, KEPT));
        }
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
            .map_err(|error| ClientError::Address { detail: error.to_string() })
    }
}

impl FromStr for ServerUrl {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let refused = |detail: &str| ClientError::Address { detail: format!("{text}: {detail}") };
        let uri: Uri =
            text.parse().map_err(|error: http::uri::InvalidUri| refused(&error.to_string()))?;
        let parts = uri.into_parts();
        let scheme =
            parts.scheme.ok_or_else(|| refused("begins with neither http:// nor https://"))?;
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(refused("begins with neither http:// nor https://"));
        }
        let authority = parts.authority.ok_or_else(|| refused("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(refused("carries a user name, which is not supported"));
        }
        let path = parts.path_and_query.as_ref();
        if path.is_some_and(|path| path.query().is_some()) {
            return Err(refused("carries a query, which a base URL does not"));
        }
        let prefix = path.map_or("", |path| path.path()).trim_end_matches('/').to_owned();
        Ok(Self { scheme, authority, prefix })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

#[cfg(test)]
mod tests;
