//! A function's answer, on its way to the client.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;

use crate::body::{Client, ReplyBody};
use crate::event::PAYLOAD_LIMIT;
use crate::prelude::{Head, Parser};

use Failed::{Broken, Refused};

/// Bytes that a streamed answer may have
/// ([documented](https://docs.aws.amazon.com/lambda/latest/dg/config-rs-invoke-furls.html)). It is cut there.
const STREAM_LIMIT: u64 = 200 * 1024 * 1024;
/// The type of an answer that begins with a [`Head`].
const INTEGRATION: &str = "application/vnd.awslambda.http-integration-response";
/// The trailer by which a function says that its stream failed
/// ([documented](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming)).
const ERROR_TRAILER: &str = "lambda-runtime-function-error-type";

/// What is left to tell the client when all of the answer has come.
#[derive(Debug)]
pub enum Relayed {
    Nothing,
    /// That the stream is at its end.
    Stream,
    /// Everything.
    Whole(Response<ReplyBody>),
}

/// Why an answer comes to nothing.
#[derive(Debug)]
pub enum Failed {
    /// It broke off.
    Broken,
    /// The function says so, it is too large, or it cannot be read.
    Refused,
}

/// Reads an answer to its end, however long the client stays, and as fast as the client reads while it does.
pub async fn relay(headers: &HeaderMap, body: Incoming, client: &Client) -> Result<Relayed, Failed> {
    let mode = headers.get("lambda-runtime-function-response-mode").map(HeaderValue::as_bytes);
    if !mode.is_some_and(|mode| mode.eq_ignore_ascii_case(b"streaming")) {
        let body = Limited::new(body, PAYLOAD_LIMIT)
            .collect()
            .await
            .map_err(|error| if error.is::<LengthLimitError>() { Refused } else { Broken })?;
        return buffered(&body.to_bytes()).map(Relayed::Whole);
    }
    let content_type = headers.get(CONTENT_TYPE);
    if content_type.is_some_and(|value| value.as_bytes().starts_with(INTEGRATION.as_bytes())) {
        stream(Some(Parser::default()), body, client).await?;
    } else {
        let mut response = Response::new(());
        let default = HeaderValue::from_static("application/octet-stream");
        response.headers_mut().insert(CONTENT_TYPE, content_type.cloned().unwrap_or(default));
        client.begin(response);
        stream(None, body, client).await?;
    }
    Ok(Relayed::Stream)
}

/// Passes a stream on; `parser` where it begins with a head.
async fn stream(mut parser: Option<Parser>, mut body: Incoming, client: &Client) -> Result<(), Failed> {
    let mut sent = 0;
    while let Some(frame) = body.frame().await {
        let mut data = match frame.map_err(|_| Broken)?.into_data() {
            Ok(data) => data,
            Err(frame) if frame.trailers_ref().is_some_and(|all| all.contains_key(ERROR_TRAILER)) => {
                return Err(Refused);
            }
            Err(_) => continue,
        };
        if let Some(head) = &mut parser {
            let Some((head, rest)) = head.push(&data).map_err(|_| Refused)? else { continue };
            client.begin(response(&head)?);
            parser = None;
            data = rest;
        }
        sent += data.len() as u64;
        if sent > STREAM_LIMIT {
            return Err(Refused);
        }
        client.write(data).await;
    }
    if parser.is_some() { Err(Refused) } else { Ok(()) }
}

fn response(head: &Head) -> Result<Response<()>, Failed> {
    let (status, headers) = head.parts().ok_or(Refused)?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
        .headers_mut()
        .entry(CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("application/octet-stream"));
    Ok(response)
}

/// An answer of one piece: an object with a `statusCode`, or any JSON, which is then the body of a 200
/// ([documented](https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads)).
fn buffered(bytes: &Bytes) -> Result<Response<ReplyBody>, Failed> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Rest {
        #[serde(default)]
        body: Option<String>,
        #[serde(default)]
        is_base64_encoded: bool,
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|_| Refused)?;
    if value.get("statusCode").is_none() {
        let json = value.as_str().map_or_else(|| bytes.clone(), |text| Bytes::from(text.to_owned()));
        return Ok(whole(Response::new(()), json));
    }
    let rest: Rest = serde_json::from_slice(bytes).map_err(|_| Refused)?;
    let head: Head = serde_json::from_value(value).map_err(|_| Refused)?;
    let (status, headers) = head.parts().ok_or(Refused)?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    let body = rest.body.unwrap_or_default();
    let body =
        if rest.is_base64_encoded { STANDARD.decode(body).map_err(|_| Refused)? } else { body.into_bytes() };
    Ok(whole(response, Bytes::from(body)))
}

fn whole(mut response: Response<()>, body: Bytes) -> Response<ReplyBody> {
    response.headers_mut().entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    response.map(|()| ReplyBody::whole(body))
}
