//! One reader's response: drives a [`Session`] with the channel and the timer.
//!
//! A session runs in a task of its own, not in the body, so that a reader who takes nothing does not stop it: it has
//! to notice, and to end.

use std::future::pending;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use ssedge::log::{ChannelName, EntryId, Page, Subscribe};
use ssedge::session::{Chunk, CloseReason, Input, Output, Refusal, Session, StreamConfig, StreamRequest};
use ssedge::settings::LogLevel;
use ssedge::store::table::Head;
use ssedge::time::UnixMillis;
use tokio::sync::oneshot;

use crate::body::{Body, Filler, body};
use crate::failure::Failure;
use crate::host;
use crate::logs::Logs;
use crate::news::{News, Subscription};

/// What all streams of the process share.
#[derive(Clone)]
pub struct Sources {
    pub logs: Arc<Logs>,
    pub news: Arc<News>,
    pub log_level: LogLevel,
}

type Answer = BoxFuture<'static, Result<(Page<Bytes>, Head), Failure>>;
/// Where a stream starts, if that is known, or why there is none.
type Started = Result<Option<EntryId>, Refusal>;

struct Stream {
    session: Session<Bytes>,
    sources: Sources,
    channel: Option<ChannelName>,
    body: Filler,
    /// Tells where the stream starts, once.
    started: Option<oneshot::Sender<Started>>,
    /// What the channel was last asked.
    asked: Option<(Subscribe, Answer)>,
    subscription: Option<Subscription>,
    awaits_drain: bool,
}

/// Opens a stream, and waits until it is known where it starts.
pub async fn open(request: StreamRequest, config: StreamConfig, sources: Sources) -> (Started, Body) {
    let (filler, body) = body();
    let (started, starts_after) = oneshot::channel();
    let channel = request.log.as_ref().map(|(channel, _)| channel.clone());
    let stream = Stream {
        session: Session::open(request, config, host::draw(), host::now()),
        sources,
        channel,
        body: filler,
        started: Some(started),
        asked: None,
        subscription: None,
        awaits_drain: false,
    };
    tokio::spawn(stream.run());
    (starts_after.await.unwrap_or(Ok(None)), body)
}

impl Stream {
    async fn run(mut self) {
        let reason = loop {
            match self.drain() {
                Ok(wake_at) => {
                    let input = self.next_input(wake_at).await;
                    let now = host::now();
                    self.session.handle(Input::Backlog(self.body.backlog()), now);
                    self.session.handle(input, now);
                }
                Err(reason) => break reason,
            }
        };
        host::log(self.sources.log_level, LogLevel::Info, &format!("a stream ended: {reason}"));
    }

    /// Does what the session wants, until it wants to be woken or to end.
    fn drain(&mut self) -> Result<UnixMillis, CloseReason> {
        loop {
            let output = self.session.poll_output();
            match output {
                Output::Send(Chunk::Own(chunk) | Chunk::Frame(chunk)) => self.send(chunk),
                Output::Subscribe(subscribe) => self.ask(subscribe),
                Output::Unsubscribe => self.subscription = None,
                Output::AwaitDrain => self.awaits_drain = true,
                Output::WakeAt(at) => return Ok(at),
                Output::Close(reason) => {
                    self.start();
                    return Err(reason);
                }
            }
        }
    }

    /// The first block leaves in two chunks, because some fronts hold a first small chunk until there is a second.
    fn send(&mut self, mut chunk: Bytes) {
        if self.start() {
            self.body.send(chunk.split_to(chunk.len() / 2));
        }
        self.body.send(chunk);
    }

    fn start(&mut self) -> bool {
        // If the invocation was given up, nobody waits any more.
        let refusal = self.session.refusal().cloned();
        let said = refusal.map_or_else(|| Ok(self.session.starts_after()), Err);
        self.started.take().map(|started| started.send(said)).is_some()
    }

    fn ask(&mut self, subscribe: Subscribe) {
        let Some(channel) = self.channel.clone() else { return };
        let (logs, question) = (self.sources.logs.clone(), subscribe.clone());
        let answer = async move { logs.reader(&channel).page(&channel, &question).await };
        self.asked = Some((subscribe, answer.boxed()));
    }

    /// Waits for whatever comes first.
    async fn next_input(&mut self, wake_at: UnixMillis) -> Input<Bytes> {
        let asked = async {
            match &mut self.asked {
                Some((_, answer)) => answer.await,
                None => pending().await,
            }
        };
        let news = async {
            match &mut self.subscription {
                Some(subscription) => subscription.next().await,
                None => pending().await,
            }
        };
        let drained = async {
            match self.awaits_drain {
                true => self.body.shrunk().await,
                false => pending().await,
            }
        };
        tokio::select! {
            answer = asked => self.answered(answer),
            news = news => self.heard(news),
            () = drained => self.drained(),
            () = self.body.gone() => Input::ReaderGone,
            () = host::sleep_until(wake_at) => Input::Wake,
        }
    }

    fn heard(&mut self, news: Input<Bytes>) -> Input<Bytes> {
        if news == Input::Lost {
            self.subscription = None;
        }
        news
    }

    fn answered(&mut self, answer: <Answer as Future>::Output) -> Input<Bytes> {
        let asked = self.asked.take();
        match (answer, &self.channel, asked) {
            (Ok((page, head)), Some(channel), Some((subscribe, _))) => {
                if !page.more {
                    self.subscription = Some(self.sources.news.join(channel, head, subscribe.filter));
                }
                Input::Page(page)
            }
            (Err(failure), Some(channel), _) => {
                let line = format!("{channel} took no reader: {failure}");
                host::log(self.sources.log_level, LogLevel::Warn, &line);
                Input::Lost
            }
            _ => Input::Lost,
        }
    }

    fn drained(&mut self) -> Input<Bytes> {
        let backlog = self.body.backlog();
        self.awaits_drain = backlog > ssedge::limits::BACKLOG_LOW_BYTES;
        Input::Backlog(backlog)
    }
}
