//! Problems: what a client is told when it does not get what it asked for (RFC 9457).

mod response;

use http::StatusCode;

use crate::access::{Forbidden, InvalidToken, TOKEN_COOKIE};
use crate::json::InvalidBody;
use crate::log::{EndReason, EntryId, Gap, GapReason};
use crate::settings::BadSetting;
pub(crate) use response::secure;

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
    /// 409: the channel has ended.
    #[error("the channel is closed ({reason}), and takes no more entries")]
    Ended {
        /// Why it has ended.
        reason: EndReason,
        /// Its last entry.
        last: EntryId,
    },
    /// 410: the channel has ended, and the reader has all of it. Where an answer without a body may hang.
    #[error("the channel has ended, and nothing follows")]
    Over,
    /// 410: the cursor cannot be resumed, and the stream that was asked for could not say so.
    #[error("{}", if .gap.reason == GapReason::Expired {
        "lastEventId: some of what followed this id is no longer kept"
    } else {
        "lastEventId: must be an id that this channel has given"
    })]
    Gap {
        /// What is missing.
        gap: Gap,
        /// After which id a stream would go on.
        resumes_after: EntryId,
    },
    /// 412: the precondition does not hold.
    #[error("{field}: the last id of the channel is {last}")]
    Unmet {
        /// The header with the precondition.
        field: &'static str,
        /// The last entry of the channel.
        last: EntryId,
    },
    /// 413.
    #[error("the body: {0}")]
    TooLarge(String),
    /// 415.
    #[error("Content-Type: the body must be {} in UTF-8, without Content-Encoding", .0.join(" or "))]
    UnsupportedMediaType(&'static [&'static str]),
    /// 422: the key was used for another body.
    #[error("Idempotency-Key: must be new for a new body; this one was used for another")]
    KeyReused,
    /// 429.
    #[error("too many posts: a sender may post {rate} a second to a channel, and {burst} at once")]
    TooFast {
        /// POST_RATE, or that of the feed.
        rate: u64,
        /// POST_BURST, or that of the feed.
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

impl Problem {
    /// A field of a request that is against its rule.
    pub(crate) fn invalid<E: ToString>(field: &'static str) -> impl FnOnce(E) -> Self {
        move |rule| Self::Invalid { field, rule: rule.to_string() }
    }

    /// The body has more bytes than a request may have.
    #[must_use]
    pub fn too_large(most: usize) -> Self {
        Self::TooLarge(format!("must be at most {most} bytes"))
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
            Self::Conflict { .. } | Self::Ended { .. } => StatusCode::CONFLICT,
            Self::Over | Self::Gap { .. } => StatusCode::GONE,
            Self::Unmet { .. } => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
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
            Self::Ended { .. } => ("closed", "The channel is closed"),
            Self::Over => ("ended", "The channel has ended"),
            Self::Gap { .. } => ("gap", "The cursor cannot be resumed"),
            Self::Unmet { .. } => ("precondition", "The precondition does not hold"),
            Self::TooLarge(_) => ("too-large", "The body is too large"),
            Self::UnsupportedMediaType([_]) => ("unsupported-media-type", "The body is not JSON"),
            Self::UnsupportedMediaType(_) => ("unsupported-media-type", "The media type is not taken"),
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
            Self::Invalid { field, .. } | Self::OtherName { field, .. } | Self::Unmet { field, .. } => {
                Some(*field)
            }
            Self::Gap { .. } => Some("lastEventId"),
            Self::Repeated(name) => Some(name.as_str()),
            Self::Origin => Some("Origin"),
            Self::KeyReused => Some("Idempotency-Key"),
            Self::NotAcceptable(_) => Some("Accept"),
            Self::UnsupportedMediaType(_) => Some("Content-Type"),
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
}

impl From<InvalidBody> for Problem {
    fn from(invalid: InvalidBody) -> Self {
        match invalid {
            InvalidBody::Field { name, rule } => Self::Invalid { field: name, rule },
            InvalidBody::Json(_) => Self::Malformed(invalid.to_string()),
        }
    }
}
