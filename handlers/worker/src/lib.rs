//! ssedge on Cloudflare.
//!
//! A stateless Worker holds the readers' responses, because it is billed for CPU and not for waiting. The messages
//! of a channel come to it over a hibernatable WebSocket from the channel's Durable Object, which sleeps between
//! two messages. What a reader sees is decided in the core.

mod admission;
mod body;
mod channel;
mod crossing;
mod fan_out;
mod frame;
mod host;
mod hubs;
mod link;
mod posts;
mod reply;
mod storage;
mod stream;
mod subscription;

use http::{Method, Response as Reply};
use ssedge::problem::Problem;
use ssedge::route::{self, Deployment, Peer, Plan, Subscriber};
use ssedge::session::{Session, StreamRequest};
use ssedge::settings::Settings;
use web_sys::{Request, Response};
use worker::{Context, Env, Result, event};

use crate::admission::Admission;
use crate::frame::JsFrame;
use crate::link::{Link, Question};
use crate::posts::Posts;
use crate::stream::Stream;

pub use channel::Channel;

/// The Durable Object binding in wrangler.toml.
const BINDING: &str = "CHANNELS";
/// The binding of the page and its assets in wrangler.toml.
const ASSETS: &str = "ASSETS";

#[event(fetch)]
async fn fetch(request: Request, env: Env, _: Context) -> Result<Response> {
    let deployment = match host::deployment(&env) {
        Ok(deployment) => deployment,
        Err(bad) => return reply::whole(Problem::from(bad).response()),
    };
    let parts = match reply::parts(&request) {
        Ok(parts) => parts,
        Err(problem) => return reply::whole(problem.response()),
    };
    Exchange { request, env, parts: &parts, deployment: &deployment }.answer().await
}

struct Exchange<'a> {
    request: Request,
    env: Env,
    parts: &'a http::request::Parts,
    deployment: &'a Deployment,
}

impl Exchange<'_> {
    async fn answer(self) -> Result<Response> {
        let parts = self.parts;
        let peer = Peer { address: host::address(&parts.headers), scheme: parts.uri.scheme_str() };
        let reply = match route::plan(parts, peer, self.deployment, host::now()) {
            Ok(Plan::Page) => {
                let page = self.env.assets(ASSETS)?.fetch_request(self.request).await?;
                return Ok(page.into());
            }
            Ok(Plan::Stream(request, subscriber)) if parts.method != Method::HEAD => {
                return self.stream(*request, subscriber).await;
            }
            Ok(plan) => self.reply(plan).await,
            Err(problem) => {
                if let Some(body) = reply::stream(&self.request) {
                    reply::discard(body).await;
                }
                Err(problem)
            }
        };
        let reply = reply.unwrap_or_else(|problem| {
            reply::log(&problem, self.settings().log_level);
            problem.response()
        });
        reply::whole(self.finish(reply))
    }

    const fn settings(&self) -> &Settings {
        &self.deployment.settings
    }

    fn finish(&self, mut reply: Reply<bytes::Bytes>) -> Reply<bytes::Bytes> {
        route::finish(&mut reply, &self.parts.method, &self.parts.headers, self.settings());
        reply
    }

    async fn reply(&self, plan: Plan<'_>) -> std::result::Result<Reply<bytes::Bytes>, Problem> {
        match plan {
            Plan::Reply(reply) => Ok(reply),
            Plan::Read(read) => {
                let snapshot = self.link(&read.channel)?.ask(&Question::Read(read.subscribe.clone())).await?;
                read.response(snapshot)
            }
            Plan::Entry(read) => {
                read.response(self.link(&read.channel)?.ask(&Question::Entry(read.id)).await?)
            }
            Plan::Append(append) => {
                let channel = Posts { link: self.link(&append.channel)?, append: &append };
                if let Some(streamed) = append.streamed()? {
                    return channel.store_as_it_comes(&self.request, streamed).await;
                }
                let body = reply::body(&self.request, &self.parts.headers, append.body_bytes()).await;
                let post = append.post(&body.map_err(internal)?)?;
                append.response(channel.store(post).await?)
            }
            Plan::Delete(channel) => {
                let () = self.link(&channel)?.ask(&Question::Delete).await?;
                Ok(route::deleted(self.settings().host))
            }
            Plan::Stream(request, _) => self.head(*request).await,
            Plan::Page => Err(Problem::NotFound("no page")),
        }
    }

    /// The head of a stream that is not opened.
    async fn head(&self, request: StreamRequest) -> std::result::Result<Reply<bytes::Bytes>, Problem> {
        if let Some((channel, subscribe)) = &request.log {
            let start = self.link(channel)?.ask(&Question::Start(subscribe.clone())).await?;
            return route::head(&request, &start, self.settings().host);
        }
        let session = Session::<JsFrame>::open(request, self.settings().stream(), 0, host::now());
        Ok(route::head_of_stream(session.starts_after()))
    }

    async fn stream(self, request: StreamRequest, subscriber: Subscriber) -> Result<Response> {
        let settings = self.settings();
        let Some(admission) = Admission::request(subscriber.sender, settings.streams_per_sender, host::now())
        else {
            return reply::whole(self.finish(route::overloaded(host::seed())));
        };
        let link = match &request.log {
            Some((channel, _)) => Some(Link::new(&self.env, channel)?),
            None => None,
        };
        let signal = self.request.signal();
        let config = settings.stream().expiring(subscriber.expires);
        let (stream, body) = Stream::open(request, config, link, admission, self.deployment, &signal).await?;
        if let Some(refusal) = stream.refusal() {
            let reply = route::refused(&refusal, settings.host).unwrap_or_else(|problem| problem.response());
            return reply::whole(self.finish(reply));
        }
        let head = self.finish(route::head_of_stream(stream.starts_after()));
        reply::streamed(&head, &body)
    }

    fn link(&self, channel: &ssedge::log::ChannelName) -> std::result::Result<Link, Problem> {
        Link::new(&self.env, channel).map_err(internal)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn internal(e: worker::Error) -> Problem {
    Problem::Internal { cause: e.to_string() }
}
