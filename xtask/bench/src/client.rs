//! Readers and posters: plain HTTP/1.1 over sockets of this machine.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinHandle, JoinSet, spawn_local};
use tokio::time::timeout;

use crate::message::{Scanner, text};
use crate::system::Target;
use crate::token;

/// Connections that are being opened at the same time. More would wait in the kernel's queue.
const OPENING: usize = 64;
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the readers of a run have got.
pub struct Tally {
    clock: Instant,
    delivered: Cell<u64>,
    awaited: Cell<u64>,
    reached: Notify,
    /// Microseconds from the post to the reader.
    latencies: RefCell<Vec<u32>>,
    ended: Cell<usize>,
}

impl Tally {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            clock: Instant::now(),
            delivered: Cell::new(0),
            awaited: Cell::new(u64::MAX),
            reached: Notify::new(),
            latencies: RefCell::default(),
            ended: Cell::new(0),
        })
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn deliver(&self, latency: u64) {
        self.latencies.borrow_mut().push(u32::try_from(latency).unwrap_or(u32::MAX));
        self.delivered.set(self.delivered.get() + 1);
        if self.delivered.get() >= self.awaited.get() {
            self.reached.notify_one();
        }
    }

    /// Waits until so many messages have been delivered since the last [`Self::reset`].
    ///
    /// # Errors
    /// When they do not come, by how many there were.
    pub async fn wait(&self, count: u64, patience: Duration) -> Result<()> {
        self.awaited.set(count);
        let deadline = Instant::now() + patience;
        while self.delivered.get() < count {
            if timeout(deadline - Instant::now(), self.reached.notified()).await.is_err() {
                bail!(
                    "{} of {count} messages came in time, and {} streams ended",
                    self.delivered.get(),
                    self.ended.get()
                );
            }
        }
        Ok(())
    }

    /// Begins to count anew.
    pub fn reset(&self) {
        self.delivered.set(0);
        self.awaited.set(u64::MAX);
        self.latencies.borrow_mut().clear();
    }

    /// All latencies since the last [`Self::reset`], sorted.
    pub fn latencies(&self) -> Vec<u32> {
        let mut latencies = self.latencies.borrow().clone();
        latencies.sort_unstable();
        latencies
    }
}

/// Many readers of one room. They leave when it is dropped.
pub struct Crowd {
    pub tally: Rc<Tally>,
    readers: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// Opens so many streams, and waits until the heads of all answers have come.
    ///
    /// # Errors
    /// When a stream is refused.
    pub async fn open(target: Target, count: usize) -> Result<Self> {
        let mut crowd = Self { tally: Tally::new(), readers: Vec::new() };
        crowd.join(target, OPENING, count).await?;
        Ok(crowd)
    }

    /// Lets so many more join, this many at the same time.
    ///
    /// # Errors
    /// When a stream is refused.
    pub async fn join(&mut self, target: Target, at_once: usize, count: usize) -> Result<()> {
        let turns = Rc::new(Semaphore::new(at_once));
        let mut opening = JoinSet::new();
        for _ in 0..count {
            let turns = turns.clone();
            opening.spawn_local(async move {
                let _turn = turns.acquire().await;
                timeout(PATIENCE, stream(target)).await.context("a stream does not begin")?
            });
        }
        while let Some(opened) = opening.join_next().await {
            let body = opened.context("a reader panicked")??;
            self.readers.push(spawn_local(read(body, self.tally.clone())));
        }
        Ok(())
    }

    /// Lets all of them leave.
    pub fn leave(&mut self) {
        self.readers.drain(..).for_each(|reader| reader.abort());
    }

    pub fn len(&self) -> u64 {
        self.readers.len() as u64
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.leave();
    }
}

async fn read(mut body: Incoming, tally: Rc<Tally>) {
    let mut scanner = Scanner::default();
    while let Some(Ok(frame)) = body.frame().await {
        let Some(bytes) = frame.data_ref() else { continue };
        let now = tally.micros();
        scanner.feed(bytes, |sent| tally.deliver(now.saturating_sub(sent)));
    }
    tally.ended.set(tally.ended.get() + 1);
}

async fn stream(target: Target) -> Result<Incoming> {
    let mut connection = connect(target.port).await?;
    let request = Request::get(target.paths().0).header(HOST, host(target));
    let request = request.header(ACCEPT, "text/event-stream").body(Full::default())?;
    let response = connection.send_request(request).await.context("a stream is not answered")?;
    ensure!(response.status().is_success(), "a stream is answered with {}", response.status());
    Ok(response.into_body())
}

fn host(target: Target) -> String {
    format!("127.0.0.1:{}", target.port)
}

/// A reader who asks for a stream, and takes nothing of it.
///
/// # Errors
/// When it cannot connect.
pub async fn stalled(target: Target) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    // As little as the kernel gives, so that what is held is held by the server.
    socket.set_recv_buffer_size(1)?;
    let mut socket =
        socket.connect((Ipv4Addr::LOCALHOST, target.port).into()).await.context("cannot connect")?;
    let (path, host) = (target.paths().0, host(target));
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n");
    socket.write_all(request.as_bytes()).await.context("cannot ask")?;
    Ok(socket)
}

/// What a server answers to a GET, as JSON.
///
/// # Errors
/// When it answers otherwise.
pub async fn ask(port: u16, path: &str) -> Result<Value> {
    let mut connection = connect(port).await?;
    let request = Request::get(path).header(HOST, "127.0.0.1").body(Full::default())?;
    let body = connection.send_request(request).await?.into_body().collect().await?.to_bytes();
    serde_json::from_slice(&body).context("its answer is not JSON")
}

/// Who leaves resets the connection, because workerd notices nothing else before it writes again.
async fn connect(port: u16) -> Result<SendRequest<Full<Bytes>>> {
    let socket = TcpStream::connect(("127.0.0.1", port)).await.context("cannot connect")?;
    socket.set_nodelay(true)?;
    socket.set_zero_linger()?;
    let (connection, driver) = handshake(TokioIo::new(socket)).await.context("cannot speak HTTP")?;
    spawn_local(driver);
    Ok(connection)
}

/// Posts over one connection, one message after the other.
pub struct Poster {
    target: Target,
    host: String,
    connection: SendRequest<Full<Bytes>>,
    tally: Rc<Tally>,
}

impl Poster {
    /// # Errors
    /// When it cannot connect.
    pub async fn new(target: Target, tally: &Rc<Tally>) -> Result<Self> {
        let connection = connect(target.port).await?;
        Ok(Self { target, host: host(target), connection, tally: tally.clone() })
    }

    /// Posts a text of so many bytes, and waits for the answer.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn post(&mut self, bytes: usize) -> Result<()> {
        self.connection.ready().await.context("the connection of a poster has ended")?;
        let body = self.target.body(&text(bytes, self.tally.micros()));
        let request = Request::post(self.target.paths().1).header(HOST, &self.host);
        let request = request.header(AUTHORIZATION, token::bearer());
        let request = request.header(CONTENT_TYPE, "application/json").body(Full::from(body))?;
        let answered = async {
            let response = self.connection.send_request(request).await?;
            let status = response.status();
            anyhow::Ok((status, response.into_body().collect().await?.to_bytes()))
        };
        let (status, said) = timeout(PATIENCE, answered).await.context("a post is not answered")??;
        ensure!(status.is_success(), "a post is answered with {status}: {}", String::from_utf8_lossy(&said));
        Ok(())
    }
}
