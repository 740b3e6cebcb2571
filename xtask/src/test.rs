//! `cargo xtask test`: every check, from the cheapest to the dearest. The first failure ends it.

use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::process::run;
use crate::repo::Repo;
use crate::{Host, browser, bundle, schemathesis, setup, supply};

/// The test targets of `ssedge-tests` with these prefixes need a running host.
const HOST_PREFIXES: [&str; 2] = ["worker", "lambda"];
/// Tests of a host that run at once: most of them wait, and those that do not take turns.
const TESTS_AT_ONCE: u32 = 12;
/// The one other test that needs a tool, npm's decoder, which the fast checks do not install.
const NPM_TEST: &str = "eventsource_parser_reads_what_we_read";

/// # Errors
/// When a check fails.
pub fn test(repo: &Repo, fast: bool) -> Result<()> {
    let started = Instant::now();
    let cargo = |arguments: &str| -> Result<Command> {
        let mut command = repo.command("cargo")?;
        command.args(arguments.split(' '));
        Ok(command)
    };
    let cargo_step = |arguments: &str| step(&format!("cargo {arguments}"), || run(&mut cargo(arguments)?));
    let (hosted, hostless) = test_targets(repo)?;

    cargo_step("fmt --all --check")?;
    if fast {
        cargo_step("clippy -p ssedge -p ssedge-tests --all-targets -- -D warnings")?;
    } else {
        step("setup", || setup::all(repo))?;
        step("cargo deny", || supply::crates(repo))?;
        step("npm audit", || supply::npm_packages(repo))?;
        step("the page", || bundle::page(repo))?;
        cargo_step("clippy --workspace --exclude ssedge-worker --all-targets -- -D warnings")?;
        cargo_step("clippy -p ssedge-worker --target wasm32-unknown-unknown -- -D warnings")?;
        step("cargo doc", || run(cargo("doc -p ssedge --no-deps")?.env("RUSTDOCFLAGS", "-D warnings")))?;
    }
    cargo_step("test -p ssedge")?;
    let hostless = format!("test -p ssedge-tests --lib{}", flags(&hostless));
    if fast {
        cargo_step(&format!("{hostless} -- --skip {NPM_TEST}"))?;
        announce(started);
        return Ok(());
    }

    cargo_step(&hostless)?;
    cargo_step("test -p xtask")?;
    cargo_step("test -p ssedge-wasm-tests")?;
    step("the same tests in a wasm build", || {
        let runner = repo.path(".tools/bin/wasm-bindgen-test-runner");
        run(cargo("test -p ssedge-wasm-tests --target wasm32-unknown-unknown")?
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner))
    })?;
    step("types of the page", || run(repo.command("tsc")?.args(["--noEmit", "--project", "web"])))?;
    step("sam validate --lint", || run(repo.command("sam")?.args(["validate", "--lint"])))?;
    step("template.yaml, translated", || {
        let python = repo.path(".tools/python/bin/python");
        run(repo.command(python)?.args(["-m", "unittest", "discover", "-s", "tests/python"]))
    })?;
    step("build worker", || bundle::worker(repo))?;
    step("build lambda", || bundle::lambda(repo))?;
    step("build the function for this machine", || bundle::local(repo))?;
    step("wrangler deploy --dry-run", || run(repo.command("wrangler")?.args(["deploy", "--dry-run"])))?;
    cargo_step("test -p ssedge-emulator -p ssedge-lambda")?;
    // Minutes long, so one run names all that fail.
    let hosted = flags(&hosted);
    cargo_step(&format!("test -p ssedge-tests --no-fail-fast{hosted} -- --test-threads={TESTS_AT_ONCE}"))?;
    for (name, host) in [("worker", Host::Worker), ("lambda", Host::Lambda)] {
        step(&format!("the {name} against its OpenAPI document"), || schemathesis::test(repo, host))?;
    }
    for host in ["worker", "lambda"] {
        step(&format!("the page of the {host} in a browser"), || browser::test(repo, host))?;
    }
    announce(started);
    Ok(())
}

fn step(name: &str, run: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("\n=== {name}");
    let started = Instant::now();
    run().with_context(|| format!("this check failed: {name}"))?;
    println!("=== {:.1} s: {name}", started.elapsed().as_secs_f32());
    Ok(())
}

fn announce(started: Instant) {
    println!("\nall checks passed in {:.0} s", started.elapsed().as_secs_f32());
}

/// The test targets of `ssedge-tests`: those that need a host, and the others.
fn test_targets(repo: &Repo) -> Result<(Vec<String>, Vec<String>)> {
    let folder = repo.path("tests/tests");
    let mut names = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            let is_target =
                path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").exists();
            if let (true, Some(name)) = (is_target, path.file_stem()) {
                names.push(name.to_string_lossy().into_owned());
            }
        }
    }
    names.sort();
    Ok(names.into_iter().partition(|name| HOST_PREFIXES.iter().any(|prefix| name.starts_with(prefix))))
}

fn flags(targets: &[String]) -> String {
    targets.iter().map(|target| format!(" --test {target}")).collect()
}
