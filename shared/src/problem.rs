//! Problems: what a client is told when it does not get what it asked for (RFC 9457).

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName};
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::access::{Forbidden, InvalidToken, TOKEN_COOKIE};
use crate::json::{self, InvalidBody};
use crate::limits::{BODY_BYTES, UNAVAILABLE_RETRY_SECS};
use crate::settings::BadSetting;

/// The media type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// One kind of problem each. `Display` is the `detail`, which is for the client: it names the field, the rule and
/// the limit, and never an internal. A cause is for the log alone; what is for the client alone is not in `Display`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// 400: a field of the body, the query or the path is against its rule.
    #[error("{field}: {rule}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What it must be.
        rule: String,
    },
    /// 400: a parameter of the query is given more than once. Its name is for the client alone, not for the log: if
    /// somebody leaves the name out, a token or a text stands in its place.
    #[error("a parameter of the query: must be given at most once")]
    Repeated(String),
    /// 400: the body is not a JSON object.
    #[error("{0}")]
    Malformed(String),
    /// 401.
    #[error("the token is refused: {0}")]
    Unauthorized(#[from] InvalidToken),
    /// 403.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// 403: the browser added the token by itself, perhaps for a page of a stranger.
    #[error("Origin: a post by the cookie {TOKEN_COOKIE} must come from an allowed origin (ALLOWED_ORIGINS)")]
    Origin,
    /// 403: an entry in the name of somebody else.
    #[error("{field}: {rule}")]
    OtherName {
        /// The field that holds the name.
        field: &'static str,
        /// What it must be.
        rule: String,
    },
    /// 404.
    #[error("{0}")]
    NotFound(&'static str),
    /// 405.
    #[error("this path takes {allow}")]
    MethodNotAllowed {
        /// The methods of the path, as `Allow` lists them.
        allow: &'static str,
    },
    /// 406.
    #[error("Accept: this path answers {0}")]
    NotAcceptable(&'static str),
    /// 409: what a feed does not take, as the deployment is set.
    #[error("{detail}")]
    Conflict {
        /// The last part of `type`.
        kind: &'static str,
        /// The title.
        title: &'static str,
        /// A sentence for the client.
        detail: &'static str,
    },
    /// 413.
    #[error("the body: must be at most {BODY_BYTES} bytes")]
    TooLarge,
    /// 415.
    #[error("Content-Type: the body must be application/json in UTF-8, without Content-Encoding")]
    UnsupportedMediaType,
    /// 422: the key was used for another body.
    #[error("Idempotency-Key: must be new for a new body; this one was used for another")]
    KeyReused,
    /// 429.
    #[error("too many posts: a sender may post {rate} a second to a channel, and {burst} at once")]
    TooFast {
        /// POST_RATE.
        rate: u64,
        /// POST_BURST.
        burst: u64,
        /// Seconds after which the next one is taken.
        retry_after: u64,
    },
    /// 429: the post would begin a channel, and its sender has begun many.
    #[error("too many new channels: a sender may begin {most} an hour; one that exists takes posts")]
    TooManyChannels {
        /// [`limits::NEW_CHANNELS`](crate::limits::NEW_CHANNELS), or that of a `sub`.
        most: u64,
        /// Seconds after which the next one may begin.
        retry_after: u64,
    },
    /// 500: the deployment has a bad setting.
    #[error("{0}")]
    Setting(#[from] BadSetting),
    /// 500: a bug. The client learns nothing of it.
    #[error("the server failed to answer; the failure is in its log")]
    Internal {
        /// For the log.
        cause: String,
    },
    /// 503: the storage did not answer.
    #[error("the storage did not answer; nothing that was not acknowledged is certain")]
    Unavailable {
        /// For the log.
        cause: String,
    },
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl Problem {
    /// A field of a request that is against its rule.
    pub(crate) fn invalid<E: ToString>(field: &'static str) -> impl FnOnce(E) -> Self {
        move |rule| Self::Invalid { field, rule: rule.to_string() }
    }

    /// The one mapping to a status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Invalid { .. } | Self::Repeated(_) | Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) | Self::Origin | Self::OtherName { .. } => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooFast { .. } | Self::TooManyChannels { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Setting(_) | Self::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The last part of `type`, `urn:ssedge:problem:{kind}`, and the title.
    const fn kind(&self) -> (&'static str, &'static str) {
        match self {
            Self::Invalid { .. } | Self::Repeated(_) => ("invalid", "A value is against its rule"),
            Self::Malformed(_) => ("malformed", "The body cannot be read"),
            Self::Unauthorized(_) => ("unauthorized", "The token is refused"),
            Self::Forbidden(_) => ("forbidden", "No grant for this"),
            Self::Origin => ("origin", "The origin is not allowed"),
            Self::OtherName { field, .. } => (*field, "Not in this name"),
            Self::NotFound(_) => ("not-found", "There is nothing here"),
            Self::MethodNotAllowed { .. } => ("method-not-allowed", "The path does not take this method"),
            Self::NotAcceptable(_) => ("not-acceptable", "No representation that is accepted"),
            Self::Conflict { kind, title, .. } => (*kind, *title),
            Self::TooLarge => ("too-large", "The body is too large"),
            Self::UnsupportedMediaType => ("unsupported-media-type", "The body is not JSON"),
            Self::KeyReused => ("idempotency", "The key was used before"),
            Self::TooFast { .. } => ("rate", "Too many posts"),
            Self::TooManyChannels { .. } => ("channels", "Too many new channels"),
            Self::Setting(_) => ("setting", "The deployment has a bad setting"),
            Self::Internal { .. } => ("internal", "The server failed"),
            Self::Unavailable { .. } => ("unavailable", "The storage is not available"),
        }
    }

    /// The field at fault.
    const fn field(&self) -> Option<&str> {
        match self {
            Self::Invalid { field, .. } | Self::OtherName { field, .. } => Some(*field),
            Self::Repeated(name) => Some(name.as_str()),
            Self::Origin => Some("Origin"),
            Self::KeyReused => Some("Idempotency-Key"),
            Self::NotAcceptable(_) => Some("Accept"),
            Self::UnsupportedMediaType => Some("Content-Type"),
            Self::Setting(bad) => Some(bad.name),
            _ => None,
        }
    }

    /// What the log should say beyond the detail.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Internal { cause } | Self::Unavailable { cause } => Some(cause),
            _ => None,
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

impl From<InvalidBody> for Problem {
    fn from(invalid: InvalidBody) -> Self {
        match invalid {
            InvalidBody::Field { name, rule } => Self::Invalid { field: name, rule },
            InvalidBody::Json(_) => Self::Malformed(invalid.to_string()),
        }
    }
}
