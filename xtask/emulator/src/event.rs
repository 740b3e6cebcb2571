//! What the events of a function URL and of a REST API have in common.

use std::net::SocketAddr;

use bytes::Bytes;
use http::HeaderName;
use jiff::Timestamp;
use serde::Serialize;

/// Bytes that the payload of an invocation may have. The body counts as it is in the event: base64 takes a third
/// more. (Documented: [quotas](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).)
pub const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024;

/// Headers of one connection, which do not reach the function. (Undocumented which AWS leaves out.)
const HOP_BY_HOP: [&str; 7] =
    ["connection", "expect", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];

/// What is known of a request beside the request itself.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    pub request_id: &'a str,
    /// `Root=…`, as it is in `x-amzn-trace-id`.
    pub trace_id: &'a str,
    pub peer: SocketAddr,
    /// The port that clients ask.
    pub port: u16,
    pub now: Timestamp,
}

#[cfg(test)]
impl Origin<'static> {
    /// What the tests of both formats know of a request.
    pub fn of_tests() -> Self {
        Self {
            request_id: "4b5c",
            trace_id: "Root=1-6741-ab",
            peer: ([127, 0, 0, 1], 5000).into(),
            port: 9000,
            now: Timestamp::UNIX_EPOCH + std::time::Duration::from_millis(1_795_341_600_123),
        }
    }
}

/// The payload is larger than Lambda takes.
#[derive(Debug, PartialEq)]
pub struct TooLarge;

/// Whether the header is of one connection.
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(&name.as_str())
}

/// The time as both formats have it.
pub fn time(now: Timestamp) -> String {
    now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

/// The event as JSON; `body` is as it is in the event.
///
/// # Errors
/// When the body does not fit.
pub fn serialize(event: &impl Serialize, body: Option<&str>) -> Result<Bytes, TooLarge> {
    if body.is_some_and(|body| body.len() > PAYLOAD_LIMIT) {
        return Err(TooLarge);
    }
    serde_json::to_vec(event).map(Bytes::from).map_err(|_| TooLarge)
}
