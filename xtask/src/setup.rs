//! Makes sure that every tool is here, at the version that a lock file names. A second run takes no time.

mod python;

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::run;
use crate::repo::{Repo, fingerprint};

/// wrangler itself needs a newer one, which npm then brings; this much installs it.
const NODE_MIN: u32 = 20;
/// What is compiled for, and why.
const WASM: (&str, &str) = ("wasm32-unknown-unknown", "the Worker is WebAssembly");
const ARM64: (&str, &str) = ("aarch64-unknown-linux-gnu", "the function runs on arm64, a fifth cheaper");

/// A program that `cargo install` builds into `.tools/bin`.
struct Tool {
    package: &'static str,
    /// Its version is that of this package in Cargo.lock, which the two must share.
    versioned_as: &'static str,
    /// Whether the tool's own lock file is used: wasm-bindgen-cli does not build with the one it publishes.
    locked: bool,
    reason: &'static str,
    minutes: u32,
}

const TOOLS: [Tool; 2] = [
    Tool {
        package: "worker-build",
        versioned_as: "worker",
        locked: true,
        reason: "it turns the wasm into a Worker bundle",
        minutes: 4,
    },
    Tool {
        package: "wasm-bindgen-cli",
        versioned_as: "wasm-bindgen",
        locked: false,
        reason: "it writes the JavaScript around the wasm and runs the wasm tests",
        minutes: 3,
    },
];

/// Sets up what building and serving the Worker takes.
///
/// # Errors
/// When something is missing that only the user can install, or an installation fails.
pub fn setup(repo: &Repo) -> Result<()> {
    let _lock = repo.lock()?;
    check_node()?;
    rust_target(WASM)?;
    npm_packages(repo)?;
    cargo_tools(repo)
}

/// Sets up what building and serving the function on this machine takes.
///
/// # Errors
/// As [`setup`].
pub fn local(repo: &Repo) -> Result<()> {
    let _lock = repo.lock()?;
    check_node()?;
    npm_packages(repo)
}

/// Sets up what building the function for AWS takes, and deploying it.
///
/// # Errors
/// As [`setup`].
pub fn lambda(repo: &Repo) -> Result<()> {
    let _lock = repo.lock()?;
    check_node()?;
    rust_target(ARM64)?;
    npm_packages(repo)?;
    python::packages(repo)
}

/// Sets up everything, for both hosts and all checks.
///
/// # Errors
/// As [`setup`].
pub fn all(repo: &Repo) -> Result<()> {
    setup(repo)?;
    lambda(repo)
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

fn rust_target((target, reason): (&str, &str)) -> Result<()> {
    let libraries = output(Command::new("rustc").args(["--print", "target-libdir", "--target", target]));
    if libraries.is_some_and(|folder| fs::exists(folder).unwrap_or(false)) {
        return Ok(());
    }
    eprintln!("adding the Rust target {target} (seconds, once): {reason}");
    run(Command::new("rustup").args(["target", "add", target])).context(
        "the Rust target cannot be added; with a Rust not from rustup, install it by the same way as Rust",
    )
}

fn npm_packages(repo: &Repo) -> Result<()> {
    // The stamp says that an installation was finished.
    let stamp = repo.path("node_modules/.ssedge-installed");
    let wanted = fingerprint(&[repo.path("package.json"), repo.path("package-lock.json")])?;
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    eprintln!("installing npm packages (half a minute, once): wrangler, workerd and what builds the page");
    let _ = fs::remove_file(&stamp);
    // Not `npm ci`, which refuses a lock file that was written where a registry lacks the packages of other platforms.
    let install = ["install", "--include=dev", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
    run(repo.command("npm")?.args(install))?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

fn cargo_tools(repo: &Repo) -> Result<()> {
    let mut built = false;
    for tool in TOOLS {
        let version = repo.locked_version(tool.versioned_as)?;
        if is_installed(repo, &tool, &version) {
            continue;
        }
        let Tool { package, reason, minutes, .. } = tool;
        eprintln!("installing {package} {version} (about {minutes} minutes, once): {reason}");
        let mut install = repo.command("cargo")?;
        install.args(["install", "--quiet", package, "--version", &format!("={version}")]);
        install.args(["--root", ".tools", "--target-dir", ".tools/target"]);
        if tool.locked {
            install.arg("--locked");
        }
        run(&mut install).with_context(|| format!("{package} cannot be installed"))?;
        built = true;
    }
    if built {
        // Only the binaries are used again.
        let _ = fs::remove_dir_all(repo.path(".tools/target"));
    }
    Ok(())
}

/// Asks the record that `cargo install` keeps, in which a line begins with `"package version (`.
fn is_installed(repo: &Repo, tool: &Tool, version: &str) -> bool {
    let record = fs::read_to_string(repo.path(".tools/.crates.toml")).unwrap_or_default();
    record.lines().any(|line| line.starts_with(&format!("\"{} {version} (", tool.package)))
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
