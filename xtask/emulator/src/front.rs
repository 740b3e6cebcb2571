//! The function URL: HTTP for clients.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::spawn_local;

use crate::body::{Client, ReplyBody};
use crate::clock::now;
use crate::event::{self, Origin, PAYLOAD_LIMIT, TooLarge};
use crate::invocation::{self, Invocation};
use crate::listen::accept;
use crate::pool::{Pool, Refusal};
use crate::reload::Reload;

/// Serves clients for good.
pub async fn serve(pool: Rc<Pool>, listener: TcpListener, port: u16, reload: Option<Reload>) {
    loop {
        let (stream, peer) = accept(&listener).await;
        spawn_local(connection(Rc::clone(&pool), stream, peer, port, reload.clone()));
    }
}

async fn connection(pool: Rc<Pool>, stream: TcpStream, peer: SocketAddr, port: u16, reload: Option<Reload>) {
    let service = service_fn(|mut request: Request<Incoming>| {
        let (pool, reload) = (Rc::clone(&pool), reload.clone());
        async move {
            let Some(reload) = reload else {
                return Ok::<_, Infallible>(answer(pool, request, peer, port).await);
            };
            if let Some(answer) = reload.answer(&request) {
                return Ok(answer);
            }
            let is_page = Reload::is_for_page(&mut request);
            let answer = answer(pool, request, peer, port).await;
            Ok(if is_page { reload.add_to(answer).await } else { answer })
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Adds to the answer what Lambda adds: the ids. (Undocumented; from memory, and not checked.)
async fn answer(
    pool: Rc<Pool>,
    request: Request<Incoming>,
    peer: SocketAddr,
    port: u16,
) -> Response<ReplyBody> {
    let request_id = request_id();
    let trace_id = trace_id();
    let mut response = handle(pool, request, peer, port, &request_id, &trace_id).await;
    for (name, value) in [("x-amzn-requestid", request_id), ("x-amzn-trace-id", trace_id)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn handle(
    pool: Rc<Pool>,
    request: Request<Incoming>,
    peer: SocketAddr,
    port: u16,
    request_id: &str,
    trace_id: &str,
) -> Response<ReplyBody> {
    let (parts, body) = request.into_parts();
    let Some(body) = read(body).await else { return too_large() };
    let origin = Origin { request_id, trace_id, peer, port, now: now() };
    let event = match event::encode(&parts, &body, origin) {
        Ok(event) => event,
        Err(TooLarge) => return too_large(),
    };
    let lease = match pool.acquire() {
        Ok(lease) => lease,
        Err(Refusal::Busy) => return too_many_requests(),
        Err(Refusal::Broken(error)) => {
            eprintln!("emulator: {error:#}");
            return bad_gateway();
        }
    };
    let (head, response) = oneshot::channel();
    let invocation = Invocation { request_id: request_id.to_owned(), trace_id: trace_id.to_owned(), event };
    spawn_local(invocation::run(pool, lease, invocation, Client::new(head)));
    response.await.unwrap_or_else(|_| bad_gateway())
}

/// All of the body, unless it is too large. A body that breaks off has nobody to answer to.
async fn read(body: Incoming) -> Option<Bytes> {
    if body.size_hint().lower() > PAYLOAD_LIMIT as u64 {
        return None;
    }
    let body = Limited::new(body, PAYLOAD_LIMIT).collect().await.ok()?;
    Some(body.to_bytes())
}

/// (The status is [documented](https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html); the body is from memory,
/// and not checked.)
fn too_large() -> Response<ReplyBody> {
    let text = r#"{"Message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}"#;
    error(StatusCode::PAYLOAD_TOO_LARGE, Some("RequestTooLargeException"), text)
}

/// (The status is [documented](https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html); the body is from memory,
/// and not checked.)
fn too_many_requests() -> Response<ReplyBody> {
    let text = r#"{"Message":"Rate Exceeded."}"#;
    error(StatusCode::TOO_MANY_REQUESTS, Some("TooManyRequestsException"), text)
}

/// The function failed before its head. (Undocumented; status and text as somebody
/// [reported](https://github.com/awsdocs/aws-lambda-developer-guide/issues/430) them.)
fn bad_gateway() -> Response<ReplyBody> {
    error(StatusCode::BAD_GATEWAY, None, "Internal Server Error")
}

fn error(status: StatusCode, kind: Option<&'static str>, text: &'static str) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::whole(text));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    if let Some(kind) = kind {
        response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(kind));
    }
    response
}

/// A random UUID, version 4.
fn request_id() -> String {
    let bits = fastrand::u128(..);
    let (a, b, c) = (bits >> 96, (bits >> 80) & 0xffff, (bits >> 64) & 0xfff);
    let (d, e) = ((bits >> 48) & 0x3fff | 0x8000, bits & 0xffff_ffff_ffff);
    format!("{a:08x}-{b:04x}-4{c:03x}-{d:04x}-{e:012x}")
}

fn trace_id() -> String {
    format!("Root=1-{:08x}-{:024x}", now().as_second(), fastrand::u128(..) >> 32)
}
