//! Between the answers of the core and those of the runtime.

use bytes::Bytes;
use http::{Response, header};
use lambda_runtime::{MetadataPrelude, StreamResponse};
use ssedge::problem::Problem;
use ssedge::settings::LogLevel;

use crate::body::Body;
use crate::host;

/// An answer as the runtime takes it. Every one is streamed, also one that is whole.
pub type Reply = StreamResponse<Body>;

/// An answer with the whole of its body.
pub fn whole(response: Response<Bytes>) -> Reply {
    let (parts, body) = response.into_parts();
    streamed(Response::from_parts(parts, Bytes::new()), Body::whole(body))
}

/// An answer whose body is a stream.
pub fn streamed(head: Response<Bytes>, stream: Body) -> Reply {
    let (mut parts, _) = head.into_parts();
    // The length of what was cut from an answer to a HEAD is the platform's to say.
    parts.headers.remove(header::CONTENT_LENGTH);
    let metadata_prelude =
        MetadataPrelude { status_code: parts.status, headers: parts.headers, cookies: Vec::new() };
    StreamResponse { metadata_prelude, stream }
}

/// Logs a refusal; a failure with what the client is not told.
pub fn log(problem: &Problem, level: LogLevel) {
    match problem.cause() {
        Some(cause) => host::log(level, LogLevel::Error, &format!("{problem}: {cause}")),
        None => host::log(level, LogLevel::Debug, &format!("refused with {}: {problem}", problem.status())),
    }
}
