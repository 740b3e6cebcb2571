//! Every program that xtask starts is the head of a process group of its own. A signal, a failure and the end of
//! xtask all end whole groups, so nothing that a program started in its turn stays behind.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How long a group may take to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(5);

static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
static STOPPING: AtomicBool = AtomicBool::new(false);

/// From here on, SIGINT, SIGTERM and SIGHUP end every group, then xtask itself with `exit_code`.
///
/// # Errors
/// When the handler cannot be installed.
pub fn stop_on_signals(exit_code: i32) -> Result<()> {
    let handler = move || {
        STOPPING.store(true, Ordering::SeqCst);
        end_groups(&groups(), || {});
        std::process::exit(exit_code);
    };
    ctrlc::set_handler(handler).context("cannot handle signals")
}

/// Whether a signal is ending xtask.
pub fn is_stopping() -> bool {
    STOPPING.load(Ordering::SeqCst)
}

/// A running program and all that it started.
pub struct Group {
    child: Child,
    name: String,
}

impl Group {
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let program = Path::new(command.get_program());
        let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
        let mut groups = GROUPS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if is_stopping() {
            drop(groups);
            wait_for_the_end();
        }
        let child = command.process_group(0).spawn().with_context(|| format!("cannot start {name}"))?;
        groups.insert(child.id().cast_signed());
        Ok(Self { child, name })
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// # Errors
    /// When the program fails, by its name.
    pub fn wait(mut self) -> Result<()> {
        let status = self.child.wait().with_context(|| format!("cannot wait for {}", self.name))?;
        check(&self.name, status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let group = self.child.id().cast_signed();
        // A leader that was not waited for counts as alive.
        end_groups(&[group], || drop(self.child.try_wait()));
        let _ = self.child.wait();
        GROUPS.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).remove(&group);
    }
}

/// Runs `command` to its end; what it prints is shown.
///
/// # Errors
/// When it cannot be started or fails.
pub fn run(command: &mut Command) -> Result<()> {
    Group::spawn(command.stdin(Stdio::null()))?.wait()
}

/// Runs `command` to its end; what it prints is shown only if it fails, and then as a whole.
///
/// # Errors
/// When it cannot be started or fails.
pub fn run_quietly(command: &mut Command) -> Result<()> {
    run_captured(command, false)
}

/// Runs `command` to its end; what it prints on standard error is shown as a whole, also if it does not fail.
///
/// # Errors
/// When it cannot be started or fails.
pub fn run_with_warnings(command: &mut Command) -> Result<()> {
    run_captured(command, true)
}

fn run_captured(command: &mut Command, shows_errors: bool) -> Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group = Group::spawn(command)?;
    let output = group.child.stdout.take().map(|pipe| thread::spawn(|| std::io::read_to_string(pipe)));
    let errors = group.child.stderr.take().map(|pipe| thread::spawn(|| std::io::read_to_string(pipe)));
    let result = group.wait();
    let shown = [output.filter(|_| result.is_err()), errors.filter(|_| result.is_err() || shows_errors)];
    let text: Vec<_> =
        shown.into_iter().flatten().filter_map(|reader| reader.join().ok()).flatten().collect();
    // At once, because others may print at the same time.
    eprint!("{}", text.concat());
    result
}

/// What a pipe had, at its end.
type Reader = thread::JoinHandle<std::io::Result<String>>;

/// Runs `command` with this input, and answers what it prints. Its errors are shown only if it fails.
///
/// # Errors
/// When it cannot be started or fails.
pub fn feed(command: &mut Command, input: &str) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group = Group::spawn(command)?;
    let errors = group.child.stderr.take().map(|pipe| thread::spawn(|| std::io::read_to_string(pipe)));
    let output = group.child.stdout.take().map(|pipe| thread::spawn(|| std::io::read_to_string(pipe)));
    if let Some(mut pipe) = group.child.stdin.take() {
        // One that reads no input fails by its exit code.
        let _ = pipe.write_all(input.as_bytes());
    }
    let read = |reader: Option<Reader>| reader.and_then(|reader| reader.join().ok()?.ok());
    if let Err(error) = group.wait() {
        eprint!("{}", read(errors).unwrap_or_default());
        return Err(error);
    }
    read(output).context("its output is not text")
}

/// # Errors
/// When `status` is a failure. Does not return if xtask is being stopped, since that is why the program ended.
pub fn check(name: &str, status: ExitStatus) -> Result<()> {
    if is_stopping() {
        wait_for_the_end();
    }
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => bail!("{name} failed (exit code {code})"),
        (None, signal) => bail!("{name} was ended by signal {}", signal.unwrap_or_default()),
    }
}

fn wait_for_the_end() -> ! {
    loop {
        thread::park();
    }
}

fn groups() -> Vec<i32> {
    GROUPS.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).iter().copied().collect()
}

fn end_groups(groups: &[i32], mut reap: impl FnMut()) {
    signal_all(groups, Signal::SIGTERM);
    let deadline = Instant::now() + GRACE;
    reap();
    while groups.iter().any(|group| is_alive(*group)) {
        if Instant::now() > deadline {
            signal_all(groups, Signal::SIGKILL);
            return;
        }
        thread::sleep(Duration::from_millis(20));
        reap();
    }
}

fn signal_all(groups: &[i32], signal: Signal) {
    for group in groups {
        let _ = killpg(Pid::from_raw(*group), signal);
    }
}

fn is_alive(group: i32) -> bool {
    killpg(Pid::from_raw(group), None) != Err(Errno::ESRCH)
}
