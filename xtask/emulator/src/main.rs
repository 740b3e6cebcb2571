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
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::Path;

    type Imports = BTreeMap<String, BTreeSet<String>>;

    /// The code of each module without its tests, by its name.
    fn modules() -> BTreeMap<String, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let module = |path: &Path| {
            let source = fs::read_to_string(path).unwrap();
            let code = source.split("#[cfg(test)]").next().unwrap_or_default();
            let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), code.collect::<Vec<_>>().join("\n"))
        };
        files.map(|path| module(&path)).filter(|(name, _)| name != "main").collect()
    }

    /// What each module names of the others.
    fn imports(modules: &BTreeMap<String, String>) -> Imports {
        let names = |code: &str| {
            let paths = code
                .split("crate::")
                .skip(1)
                .map(|path| path.split(|c: char| !(c.is_alphanumeric() || c == '_')));
            paths.filter_map(|mut path| path.next().map(str::to_owned)).collect()
        };
        modules.iter().map(|(name, code)| (name.clone(), names(code))).collect()
    }

    /// The modules that are left when those that import none of the others are taken away, again and again.
    fn circles(mut imports: Imports) -> BTreeSet<String> {
        loop {
            let left: BTreeSet<_> = imports.keys().cloned().collect();
            imports.retain(|_, names| !names.is_disjoint(&left));
            if imports.len() == left.len() {
                return left;
            }
        }
    }

    #[test]
    fn no_two_modules_import_each_other() {
        let of = |pairs: &[(&str, &str)]| {
            let code: BTreeMap<_, _> =
                pairs.iter().map(|(name, code)| ((*name).to_owned(), (*code).to_owned())).collect();
            circles(imports(&code)).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(of(&[("a", "use crate::b::{B, C};"), ("b", "")]), [""; 0]);
        assert_eq!(
            of(&[("a", "use crate::b;"), ("b", "fn f() { crate::c::g() }"), ("c", "use crate::a;")]),
            ["a", "b", "c"]
        );

        let modules = modules();
        assert!(modules.len() > 10 && !imports(&modules)["front"].is_empty(), "{:?}", modules.keys());
        assert_eq!(circles(imports(&modules)), BTreeSet::new());
    }

    #[test]
    fn the_crate_stands_alone() {
        for (name, code) in modules() {
            assert!(!code.contains("\"../.."), "{name} takes a file of another crate");
            assert!(
                !code.contains("super::"),
                "{name} imports by a way that the test of circles does not see"
            );
        }
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let manifest = fs::read_to_string(manifest).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
        assert!(!dependencies.contains("ssedge") && !dependencies.contains("path ="), "{dependencies}");
    }
}
