//! Answers, as the platform takes them.

use bytes::Bytes;
use http::{Response, header};
use ssedge::problem::Problem;
use ssedge::settings::LogLevel;

use crate::body::Body;
use crate::host;

/// An answer with this body. Every one is streamed, also one that is whole.
pub fn with_body(mut response: Response<Bytes>, body: Body) -> Response<Body> {
    // The length of what was cut from an answer to a HEAD is the platform's to say.
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.map(|_| body)
}

/// Logs a refusal; a failure with what the client is not told.
pub fn log(problem: &Problem, level: LogLevel) {
    match problem.cause() {
        Some(cause) => host::log(level, LogLevel::Error, &format!("{problem}: {cause}")),
        None => host::log(level, LogLevel::Debug, &format!("refused with {}: {problem}", problem.status())),
    }
}
