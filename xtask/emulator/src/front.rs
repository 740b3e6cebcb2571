//! HTTP for clients, whatever stands in front of the function.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
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
use crate::event::{Origin, PAYLOAD_LIMIT};
use crate::gateway::{Gateway, Refusal};
use crate::invocation::{self, Invocation};
use crate::listen::accept;
use crate::pool::{self, Pool};
use crate::reload::Reload;

/// What is served, and by what.
#[derive(Clone, Debug)]
pub struct Front {
    pub pool: Rc<Pool>,
    pub gateway: Gateway,
    /// The port that clients ask.
    pub port: u16,
    pub reload: Option<Reload>,
}

/// Serves clients for good.
pub async fn serve(front: Rc<Front>, listener: TcpListener) {
    loop {
        let (stream, peer) = accept(&listener).await;
        spawn_local(connection(Rc::clone(&front), stream, peer));
    }
}

async fn connection(front: Rc<Front>, stream: TcpStream, peer: SocketAddr) {
    let service = service_fn(|mut request: Request<Incoming>| {
        let front = Rc::clone(&front);
        async move {
            let Some(reload) = &front.reload else {
                return Ok::<_, Infallible>(answer(&front, request, peer).await);
            };
            if let Some(answer) = reload.answer(&request) {
                return Ok(answer);
            }
            let is_page = Reload::is_for_page(&mut request);
            let answer = answer(&front, request, peer).await;
            Ok(if is_page { reload.add_to(answer).await } else { answer })
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Adds to the answer what Lambda adds: the ids. (Undocumented; from memory, and not checked.)
async fn answer(front: &Front, request: Request<Incoming>, peer: SocketAddr) -> Response<ReplyBody> {
    let (request_id, trace_id) = (request_id(), trace_id());
    let response = handle(front, request, peer, &request_id, &trace_id).await;
    let mut response = response.unwrap_or_else(|refusal| front.gateway.refuse(refusal));
    for (name, value) in [("x-amzn-requestid", request_id), ("x-amzn-trace-id", trace_id)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn handle(
    front: &Front,
    request: Request<Incoming>,
    peer: SocketAddr,
    request_id: &str,
    trace_id: &str,
) -> Result<Response<ReplyBody>, Refusal> {
    let (parts, body) = request.into_parts();
    let body = read(body).await.ok_or(Refusal::TooLarge)?;
    let origin = Origin { request_id, trace_id, peer, port: front.port, now: now() };
    let event = front.gateway.event(&parts, &body, origin)?;
    let lease = front.pool.acquire().map_err(|refusal| match refusal {
        pool::Refusal::Busy => Refusal::Busy,
        pool::Refusal::Broken(error) => {
            eprintln!("emulator: {error:#}");
            Refusal::Failed
        }
    })?;
    let (head, response) = oneshot::channel();
    let invocation = Invocation { request_id: request_id.to_owned(), trace_id: trace_id.to_owned(), event };
    spawn_local(invocation::run(Rc::clone(&front.pool), lease, invocation, Client::new(head)));
    response.await.map_err(|_| Refusal::Failed)
}

/// All of the body, unless it is too large. A body that breaks off has nobody to answer to.
async fn read(body: Incoming) -> Option<Bytes> {
    if body.size_hint().lower() > PAYLOAD_LIMIT as u64 {
        return None;
    }
    let body = Limited::new(body, PAYLOAD_LIMIT).collect().await.ok()?;
    Some(body.to_bytes())
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
