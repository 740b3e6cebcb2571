//! How a process of the function starts, with a Runtime API of its own.

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::rc::Rc;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::spawn_local;

use crate::environment::{Function, variables};
use crate::journal::{Entry, Journal};
use crate::process::Process;
use crate::runtime_api;

/// Starts a process of the function.
///
/// It stays in the emulator's process group, so whoever ends that group ends it too.
///
/// # Errors
/// When it cannot be started.
pub fn start(function: &Function, journal: &Journal) -> Result<Rc<Process>> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen")?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let child = Command::new(&function.program)
        .current_dir(&function.folder)
        .env_clear()
        .envs(variables(function, listener.local_addr()?))
        .stdin(Stdio::null())
        // Standard output is the journal's.
        .stdout(std::io::stderr())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", function.program.display()))?;
    let pid = child.id().context("the process is gone already")?;
    journal.log(Entry::Start { pid });
    let process = Rc::new(Process::new(pid, function.share, journal.clone()));
    spawn_local(watch_over(Rc::clone(&process), child, listener));
    Ok(process)
}

/// Serves the Runtime API until the process is gone.
async fn watch_over(process: Rc<Process>, mut child: Child, listener: TcpListener) {
    let status = tokio::select! {
        status = child.wait() => status,
        never = runtime_api::serve(&process, &listener) => match never {},
    };
    process.ended(status.map_or_else(|error| error.to_string(), |status| status.to_string()));
}
