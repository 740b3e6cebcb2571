//! One execution environment: a process of the function.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::process::Stdio;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::Arguments;
use crate::invocation::{Answer, Job, Open, now};
use crate::{journal, runtime_api};

/// How long a process may take to its first question ([Lambda's own bound]).
///
/// [Lambda's own bound]: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
const INIT: Duration = Duration::from_secs(10);
const REGION: &str = "local";

pub struct Environment {
    pid: Pid,
    share: usize,
    timeout: Duration,
    started: Instant,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    is_ready: bool,
    is_dead: bool,
    /// Events that the process has not asked for yet.
    jobs: VecDeque<Job>,
    /// Questions that wait for an event.
    questions: VecDeque<oneshot::Sender<Job>>,
    open: HashMap<String, Open>,
}

impl Environment {
    /// Starts a process.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start(arguments: &Arguments) -> Result<Rc<Self>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let started = Instant::now();
        let child = process(arguments, listener.local_addr()?)?;
        let pid = Pid::from_raw(child.id().context("a process that was just started runs")?.cast_signed());
        journal::note(&json!({ "event": "start", "pid": pid.as_raw() }));
        let (share, timeout) = (arguments.share, arguments.timeout());
        let environment = Rc::new(Self { pid, share, timeout, started, state: RefCell::default() });
        spawn_local(runtime_api::serve(listener, environment.clone()));
        spawn_local(environment.clone().wait(child));
        spawn_local(environment.clone().limit_init());
        Ok(environment)
    }

    pub fn is_alive(&self) -> bool {
        !self.state.borrow().is_dead
    }

    /// Whether it may be given another event.
    pub fn is_free(&self) -> bool {
        let state = self.state.borrow();
        !state.is_dead && state.open.len() < self.share
    }

    /// Gives the process an event.
    pub fn invoke(&self, job: Job) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let mut state = self.state.borrow_mut();
        let open = Open { answer: Some(answer), since: Instant::now(), timed_out: false };
        state.open.insert(job.id.clone(), open);
        self.signal(Signal::SIGCONT);
        let mut job = job;
        while let Some(question) = state.questions.pop_front() {
            match question.send(job) {
                Ok(()) => return answered,
                // Whoever asked hung up.
                Err(unsent) => job = unsent,
            }
        }
        state.jobs.push_back(job);
        answered
    }

    /// The process asks for its next event. Without one, and with nothing else to do, it stands still until then.
    pub async fn next(self: &Rc<Self>) -> Option<Job> {
        let waiting = {
            let mut state = self.state.borrow_mut();
            if !state.is_ready {
                state.is_ready = true;
                let micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
                journal::note(&json!({ "event": "ready", "pid": self.pid.as_raw(), "micros": micros }));
            }
            match state.jobs.pop_front() {
                Some(job) => Ok(job),
                None => {
                    let (question, answered) = oneshot::channel();
                    state.questions.push_back(question);
                    // On Managed Instances other invocations may go on, and nothing ever stands still.
                    if self.share == 1 {
                        self.signal(Signal::SIGSTOP);
                    }
                    Err(answered)
                }
            }
        };
        let job = match waiting {
            Ok(job) => job,
            Err(answered) => answered.await.ok()?,
        };
        journal::note(&json!({ "event": "invoke", "pid": self.pid.as_raw(), "request": job.id }));
        spawn_local(self.clone().limit(job.id.clone()));
        Some(job)
    }

    /// When an invocation that begins now is stopped, in unix ms.
    pub fn deadline(&self) -> i64 {
        let timeout = i64::try_from(self.timeout.as_millis()).unwrap_or(i64::MAX);
        now().as_millisecond().saturating_add(timeout)
    }

    /// Who waits for the answer of an invocation; `None` where nobody does.
    pub fn answerer(&self, id: &str) -> Option<oneshot::Sender<Answer>> {
        self.state.borrow_mut().open.get_mut(id)?.answer.take()
    }

    /// An invocation has ended.
    pub fn end(&self, id: &str, outcome: &str) {
        let Some(open) = self.state.borrow_mut().open.remove(id) else { return };
        let outcome = if open.timed_out { "timeout" } else { outcome };
        let millis = u64::try_from(open.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let pid = self.pid.as_raw();
        journal::note(
            &json!({ "event": "end", "pid": pid, "request": id, "outcome": outcome, "millis": millis }),
        );
    }

    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    fn signal(&self, signal: Signal) {
        if self.is_alive_or_ending() {
            // It may have ended just now.
            let _ = kill(self.pid, signal);
        }
    }

    /// Asked also where the state is borrowed: a pid that was waited for may be another's.
    fn is_alive_or_ending(&self) -> bool {
        self.state.try_borrow().map_or(true, |state| !state.is_dead)
    }

    async fn limit(self: Rc<Self>, id: String) {
        sleep(self.timeout).await;
        if let Some(open) = self.state.borrow_mut().open.get_mut(&id) {
            open.timed_out = true;
            self.signal(Signal::SIGKILL);
        }
    }

    async fn limit_init(self: Rc<Self>) {
        sleep(INIT).await;
        if !self.state.borrow().is_ready {
            self.kill();
        }
    }

    /// Waits for the end of the process. Clients whose response has not begun learn it by that nobody is left to answer,
    /// the others by the end of the connection that it came by.
    async fn wait(self: Rc<Self>, mut child: Child) {
        let status = child.wait().await.map_or_else(|e| e.to_string(), |status| status.to_string());
        let open: Vec<_> = {
            let mut state = self.state.borrow_mut();
            state.is_dead = true;
            state.jobs.clear();
            state.questions.clear();
            state.open.values_mut().for_each(|open| open.answer = None);
            state.open.keys().cloned().collect()
        };
        for id in open {
            self.end(&id, "crash");
        }
        journal::note(&json!({ "event": "exit", "pid": self.pid.as_raw(), "status": status }));
    }
}

fn process(arguments: &Arguments, runtime_api: SocketAddr) -> Result<Child> {
    let program = &arguments.function;
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let root = program.parent().unwrap_or(program);
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", &name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}"))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "local")
        .env("AWS_REGION", REGION)
        .env("AWS_DEFAULT_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("AWS_SESSION_TOKEN", "local")
        .env("_HANDLER", "bootstrap")
        .env("LAMBDA_TASK_ROOT", root)
        .env("TZ", ":UTC")
        .envs(&arguments.environment);
    if arguments.share > 1 {
        command.env("AWS_LAMBDA_MAX_CONCURRENCY", arguments.share.to_string());
    }
    // Our standard output is the journal.
    let errors = || io::stderr().as_fd().try_clone_to_owned().map(Stdio::from);
    command.stdin(Stdio::null()).stdout(errors()?).stderr(errors()?).kill_on_drop(true);
    command.spawn().with_context(|| format!("cannot start {}", program.display()))
}
