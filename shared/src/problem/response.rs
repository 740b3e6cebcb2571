//! The document of a problem, and the answer that carries it.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName};
use http::{HeaderValue, Response, header};
use serde::Serialize;

use super::{CONTENT_TYPE, Problem};
use crate::json;
use crate::limits::UNAVAILABLE_RETRY_SECS;
use crate::log::{EntryId, Requested};

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(flatten)]
    channel: Channel<'a>,
}

/// How a channel stands, for a client that has to go on from there.
#[derive(Default, Serialize)]
struct Channel<'a> {
    /// Of a channel that has ended or of a gap: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<EntryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested: Option<&'a Requested>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resumes_after: Option<EntryId>,
}

impl Problem {
    fn channel(&self) -> Channel<'_> {
        match self {
            Self::Ended { reason, last } => {
                Channel { reason: Some(reason.as_str()), last: Some(*last), ..Channel::default() }
            }
            Self::Unmet { last, .. } => Channel { last: Some(*last), ..Channel::default() },
            Self::Gap { gap, resumes_after } => Channel {
                reason: Some(gap.reason.name()),
                requested: Some(&gap.requested),
                resumes_after: Some(*resumes_after),
                ..Channel::default()
            },
            _ => Channel::default(),
        }
    }

    /// The answer.
    #[must_use]
    pub fn response(&self) -> Response<Bytes> {
        let (kind, title) = self.kind();
        let status = self.status();
        let document = Document {
            r#type: format!("urn:ssedge:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail: match self {
                Self::Repeated(name) => format!("{name}: must be given at most once"),
                _ => self.to_string(),
            },
            field: self.field(),
            channel: self.channel(),
        };
        let mut response = Response::new(json::bytes(json::line(&document)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        secure(headers);
        match self {
            Self::MethodNotAllowed { allow } => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allow));
            }
            Self::Unauthorized(_) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Unavailable { .. } => {
                headers.insert(header::RETRY_AFTER, UNAVAILABLE_RETRY_SECS.into());
            }
            Self::TooFast { retry_after, .. } | Self::TooManyChannels { retry_after, .. } => {
                headers.insert(header::RETRY_AFTER, (*retry_after).into());
            }
            _ => {}
        }
        response
    }
}

/// Adds what keeps a browser from making more of an answer than it is: not markup, not in a frame, not an image or a
/// script of another origin's page, and its address, which may hold a token, not told to others.
pub(crate) fn secure(headers: &mut HeaderMap) {
    const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
    const CSP: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(CORP, HeaderValue::from_static("same-origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(CSP);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
