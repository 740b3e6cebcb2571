//! A local AWS Lambda with a function URL, or with a REST API in front of it, close enough to the real one to show what would fail there.
//!
//! `README.md` says what it emulates and by which document, what it leaves out, and how it is started.

mod body;
mod clock;
mod environment;
mod event;
mod event_rest;
mod event_url;
mod front;
mod gateway;
mod invocation;
mod journal;
mod launch;
mod listen;
mod pool;
mod prelude;
mod process;
mod relay;
mod reload;
mod runtime_api;
mod settings;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::thread;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

use crate::front::Front;
use crate::journal::{Entry, Journal};
use crate::pool::Pool;
use crate::settings::Settings;

fn main() -> Result<()> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("cannot read standard input")?;
    let settings = Settings::parse(&line)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, run(settings))
}

async fn run(settings: Settings) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let input = end_of_input()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port)).await;
    let listener = listener.with_context(|| format!("cannot listen on port {}", settings.port))?;
    let port = listener.local_addr()?.port();
    let journal = Journal::start()?;
    let (gateway, reload) = (settings.gateway()?, settings.reload.clone());
    let pool = Rc::new(Pool::new(settings.function()?, journal.clone()));
    let front = Rc::new(Front { pool: Rc::clone(&pool), gateway, port, reload });
    // A browser takes either address of this machine for `localhost`.
    if let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
        spawn_local(front::serve(Rc::clone(&front), listener));
    }
    journal.log(Entry::Listening { port });
    tokio::select! {
        () = front::serve(front, listener) => {}
        _ = input => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    pool.end().await;
    Ok(())
}

/// Resolves when standard input is at its end. A thread waits for it: tokio's would keep the program from ending.
fn end_of_input() -> Result<oneshot::Receiver<()>> {
    let (sender, end) = oneshot::channel();
    let read = move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = sender.send(());
    };
    thread::Builder::new().name("input".to_owned()).spawn(read).context("cannot start a thread")?;
    Ok(end)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_crate_stands_alone() {
        let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        for file in fs::read_dir(crate_folder.join("src")).unwrap() {
            let path = file.unwrap().path();
            let source = fs::read_to_string(&path).unwrap();
            let code = source.split("#[cfg(test)]").next().unwrap_or_default();
            assert!(!code.contains("\"../.."), "{} takes a file of another crate", path.display());
        }
        let manifest = fs::read_to_string(crate_folder.join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
        assert!(!dependencies.contains("ssedge") && !dependencies.contains("path ="), "{dependencies}");
    }
}
