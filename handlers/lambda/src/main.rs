//! ssedge on AWS.
//!
//! One Lambda function with response streaming. An execution environment serves one stream at a time, so two readers
//! of a room are two processes, and all that they share is a DynamoDB table: the log of every channel, which each
//! stream asks for news. What a reader sees is decided in the core.

mod body;
mod event;
mod failure;
mod feeds;
mod host;
mod item;
mod items;
mod keys;
mod page;
mod plain;
mod read;
mod reply;
mod senders;
mod store;
mod stream;
mod table;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use lambda_http::{Request, RequestExt, StreamAdapter};
use lambda_runtime::{LambdaEvent, Service, service_fn};
use ssedge::problem::Problem;
use ssedge::route::{self, Plan, Reader};
use ssedge::session::{Opening, Session, Terms};
use ssedge::settings::{LogLevel, Settings};
use ssedge::time::UnixMillis;

use crate::body::Body;
use crate::event::Event;
use crate::feeds::Feeds;
use crate::store::Store;
use crate::stream::Sources;

/// What all invocations of a process share.
struct Function {
    settings: Settings,
    sources: Sources,
}

// One thread: the runtime's client leaves TCP_NODELAY off, and with several threads the first byte of a stream waits
// 40 ms for an acknowledgement.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let settings =
        host::settings().inspect_err(|bad| host::log(LogLevel::Error, LogLevel::Error, &bad.to_string()))?;
    let store = Arc::new(Store::new(&settings));
    let feeds = Arc::new(Feeds::new(store.clone(), &settings));
    let sources = Sources { store, feeds, log_level: settings.log_level };
    let function = Arc::new(Function { settings, sources });
    let adapter = StreamAdapter::from(service_fn(move |request: Request| {
        let function = function.clone();
        async move { Ok::<_, Infallible>(function.invoke(request).await) }
    }));
    lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<Event>| {
        let Event(request) = event.payload;
        adapter.clone().call(LambdaEvent::new(request, event.context))
    }))
    .await
}

impl Function {
    async fn invoke(&self, request: Request) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let parts = event::head(parts);
        let plan = match page::asset(parts.uri.path()) {
            Some(asset) if is_read(&parts.method) => Ok(Plan::Reply(asset)),
            _ => route::plan(&parts, event::peer(&parts), &self.settings, host::now()),
        };
        let response = match plan {
            Ok(Plan::Stream(opening, reader)) if parts.method != Method::HEAD => {
                return self.stream(*opening, &reader, &parts).await;
            }
            Ok(plan) => self.reply(plan, &body).await,
            Err(problem) => Err(problem),
        };
        self.whole(response, &parts)
    }

    fn whole(&self, response: Result<Response<Bytes>, Problem>, parts: &Parts) -> Response<Body> {
        let response = response.unwrap_or_else(|problem| {
            reply::log(&problem, self.settings.log_level);
            problem.response()
        });
        let mut response = self.finish(response, parts);
        let body = Body::whole(std::mem::take(response.body_mut()));
        reply::with_body(response, body)
    }

    /// Opens a stream while it is found out whether there is room for it.
    async fn stream(&self, opening: Opening, reader: &Reader, parts: &Parts) -> Response<Body> {
        let deadline = parts.lambda_context_ref().map_or(0, |context| context.deadline);
        let terms = Terms::new(&self.settings).expiring(reader.expires).until(UnixMillis(deadline));
        let channel = opening.channel.as_ref().map(|(channel, _)| channel.clone());
        let ((starts_after, stream), is_admitted) = tokio::join!(
            stream::open(opening, terms, self.sources.clone()),
            self.sources.store.admits(channel.as_ref(), reader, terms, &self.settings),
        );
        if !is_admitted {
            return self.whole(Ok(route::overloaded(host::draw())), parts);
        }
        reply::with_body(self.finish(route::head_of_stream(starts_after), parts), stream)
    }

    fn finish(&self, mut response: Response<Bytes>, parts: &Parts) -> Response<Bytes> {
        route::finish(&mut response, &parts.method, &parts.headers, &self.settings);
        response
    }

    async fn reply(&self, plan: Plan, body: &[u8]) -> Result<Response<Bytes>, Problem> {
        let (store, now) = (&self.sources.store, host::now());
        match plan {
            Plan::Reply(response) => Ok(response),
            Plan::Read(read) => read.response(store.snapshot(&read.channel, &read.subscribe, now).await?),
            Plan::Message(channel, id) => Plan::message(store.entry(&channel, id, now).await?),
            Plan::Append(append) => {
                let post = append.post(body, &self.settings)?;
                let receipt = store.append(&append.channel, &post, append.beginning_rate(), now).await?;
                append.response(receipt, &self.settings)
            }
            Plan::Stream(opening, _) => self.head(*opening).await,
            Plan::Page => Err(Problem::NotFound("no page")),
        }
    }

    /// The head of a stream that is not opened.
    async fn head(&self, opening: Opening) -> Result<Response<Bytes>, Problem> {
        let starts_after = match &opening.channel {
            Some((channel, subscribe)) => {
                Some(self.sources.store.start(channel, subscribe, host::now()).await?.after)
            }
            None => {
                let terms = Terms::new(&self.settings);
                Session::<Bytes>::open(opening, terms, host::draw(), host::now()).starts_after()
            }
        };
        Ok(route::head_of_stream(starts_after))
    }
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}
