//! What comes from others: which licences, versions and places it has, and which faults are known of it.

use std::process::{Command, Output};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::run;
use crate::repo::Repo;

/// The least severity of a known fault in an npm package that fails. Nothing of npm is deployed but the page.
const NPM_AUDIT: [&str; 2] = ["audit", "--audit-level=high"];
/// An exception that nothing needs any more is a hole.
const STRICT: [&str; 4] = ["--deny", "unmatched-skip", "--deny", "unnecessary-skip"];

/// Holds the crates against `deny.toml`. Where the database of advisories cannot be reached, it says so and checks the rest.
///
/// # Errors
/// When a crate is against a rule, or a lock file is not up to date.
pub fn crates(repo: &Repo) -> Result<()> {
    let fetched = output(repo.command("cargo-deny")?.args(["fetch", "db"]))?;
    let advisories = fetched.status.success();
    if !advisories {
        let reason = String::from_utf8_lossy(&fetched.stderr);
        println!(
            "advisories of crates are not checked, because their database was not reached: {}",
            last_line(&reason)
        );
    }
    let deny = |manifest: &str, lints: &[&str], checks: &[&str]| -> Result<()> {
        let mut deny = repo.command("cargo-deny")?;
        deny.args(["--locked", "--config", "deny.toml", "--manifest-path", manifest]);
        deny.args(["check", "--hide-inclusion-graph"]).args(lints).args(checks);
        run(deny.args(advisories.then_some("advisories"))).with_context(|| {
            format!("the crates of {manifest}; where its lock file is behind, `cargo update --workspace --manifest-path {manifest}` mends it")
        })
    };
    deny("Cargo.toml", &STRICT, &["bans", "licenses", "sources"])?;
    // Beside libFuzzer it is a part of the other, so not every licence comes up.
    deny("fuzz/Cargo.toml", &["--allow", "license-not-encountered"], &["licenses", "sources"])
}

/// Asks the npm registry for known faults. Where it does not answer that question, it says so.
///
/// # Errors
/// When a package has a fault of high severity.
pub fn npm_packages(repo: &Repo) -> Result<()> {
    let answer = output(repo.command("npm")?.args(NPM_AUDIT).arg("--json"))?;
    let answer: Value = serde_json::from_slice(&answer.stdout).unwrap_or_default();
    if answer["auditReportVersion"].is_null() {
        let reason = answer["message"].as_str().unwrap_or("it said nothing");
        println!("npm packages are not audited, because the registry did not answer: {reason}");
        return Ok(());
    }
    run(repo.command("npm")?.args(NPM_AUDIT))
}

fn output(command: &mut Command) -> Result<Output> {
    command.output().with_context(|| format!("{} cannot be started", command.get_program().display()))
}

/// The last line that says something.
fn last_line(text: &str) -> &str {
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it said nothing")
}
