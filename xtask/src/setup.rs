//! Makes sure that every tool is here, at the version that a lock file names. A second run takes no time.

mod python;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::run_quietly;
use crate::repo::{Repo, fingerprint};
use crate::steps::{side_by_side, step};
use crate::wasm;

pub use python::packages as python_packages;

/// wrangler itself needs a newer one, which npm then brings; this much installs it.
const NODE_MIN: u32 = 20;
/// What is compiled for, and why.
pub const WASM: (&str, &str) = (wasm::TARGET, "the Worker is WebAssembly");
pub const ARM64: (&str, &str) = ("aarch64-unknown-linux-gnu", "the function runs on arm64, a fifth cheaper");

/// Sets up everything, for both hosts and all checks.
///
/// # Errors
/// When something is missing that only the user can install, or an installation fails.
pub fn all(repo: &Repo) -> Result<()> {
    let of_others = || side_by_side(|| npm_packages(repo), || python_packages(repo));
    side_by_side(|| rust_tools(repo), of_others).map(drop)
}

/// Installs what compiling for the two platforms takes beside Rust itself.
///
/// # Errors
/// When a target cannot be added, or the tool does not compile.
pub fn rust_tools(repo: &Repo) -> Result<()> {
    rust_target(WASM)?;
    rust_target(ARM64)?;
    wasm::tool(repo)
}

fn check_node() -> Result<()> {
    let version = output(Command::new("node").arg("--version")).unwrap_or_default();
    if node_major(&version).is_none_or(|major| major < NODE_MIN) {
        let found =
            if version.is_empty() { "there is none".to_owned() } else { format!("this is {version}") };
        bail!(
            "Node.js {NODE_MIN} or newer is needed, and {found}: install it from nodejs.org or by your system's packages"
        );
    }
    if output(Command::new("npm").arg("--version")).is_none() {
        bail!("npm is needed, and there is none: install the package `npm` beside Node.js");
    }
    Ok(())
}

fn node_major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Adds what the standard library is for another target.
///
/// # Errors
/// When rustup is not here, or cannot add it.
pub fn rust_target((target, reason): (&str, &str)) -> Result<()> {
    let libraries = output(Command::new("rustc").args(["--print", "target-libdir", "--target", target]));
    if libraries.is_some_and(|folder| fs::exists(folder).unwrap_or(false)) {
        return Ok(());
    }
    eprintln!("adding the Rust target {target} (seconds, once): {reason}");
    run_quietly(Command::new("rustup").args(["target", "add", target])).context(
        "the Rust target cannot be added; with a Rust not from rustup, install it by the same way as Rust",
    )
}

/// Where it is said, by their fingerprint, that these npm packages were installed to the end.
fn npm_stamp(repo: &Repo) -> Result<(PathBuf, String)> {
    let wanted = fingerprint(&[repo.path("package.json"), repo.path("package-lock.json")])?;
    Ok((repo.path("node_modules/.ssedge-installed"), wanted))
}

/// Whether these very npm packages are here.
///
/// # Errors
/// When their list cannot be read.
pub fn has_npm_packages(repo: &Repo) -> Result<bool> {
    let (stamp, wanted) = npm_stamp(repo)?;
    Ok(fs::read_to_string(stamp).is_ok_and(|installed| installed == wanted))
}

/// Installs the npm packages, unless these very ones are here.
///
/// # Errors
/// When there is no Node.js, or the installation fails.
pub fn npm_packages(repo: &Repo) -> Result<()> {
    if has_npm_packages(repo)? {
        return Ok(());
    }
    let _lock = repo.lock("npm")?;
    if has_npm_packages(repo)? {
        return Ok(());
    }
    let (stamp, wanted) = npm_stamp(repo)?;
    check_node()?;
    let _ = fs::remove_file(&stamp);
    // Not `npm ci`, which refuses a lock file that was written where a registry lacks the packages of other platforms.
    let install = ["install", "--include=dev", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
    step(
        "installing npm packages (half a minute, once): wrangler, workerd and what builds the page",
        || run_quietly(repo.command("npm")?.args(install)),
    )?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::node_major;

    #[test]
    fn the_major_version_of_node_is_its_first_number() {
        assert_eq!(node_major("v24.21.0"), Some(24));
        assert_eq!(node_major("24"), None);
    }
}
