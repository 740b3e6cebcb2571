//! The page in a real browser: the one that is here, or else one that is installed.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::Host;
use crate::process::run;
use crate::repo::Repo;

/// Each names the program itself.
const VARIABLES: [&str; 2] = ["CHROMIUM", "CHROME_PATH"];
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
#[cfg(target_os = "macos")]
const APPLICATION: &str = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
/// Test files that run at once: each has a host and a browser of its own, and is mostly waiting for them.
const AT_ONCE: u32 = 2;
/// Milliseconds that a file of tests may take, which is a minute where all is well: a browser that hangs is a failure.
const TIMEOUT: u32 = 900_000;

/// Tests of what is the page's alone, which is the same on every host.
const OF_THE_PAGE: [&str; 2] = ["access.test.mjs", "keyboard.test.mjs"];
/// Tests that take minutes: those of a longer run.
const LONG: [&str; 1] = ["ai-chat.test.mjs"];

/// Runs the browser tests against this host; [`OF_THE_PAGE`] against the Worker alone.
///
/// # Errors
/// When there is no browser, or a test fails.
pub fn test(repo: &Repo, host: Host, is_long: bool) -> Result<()> {
    let chromium = chromium(repo)?;
    let mut files = files(repo)?;
    files.retain(|file| is_long || !LONG.iter().any(|long| file.ends_with(long)));
    files.retain(|file| matches!(host, Host::Worker) || !OF_THE_PAGE.iter().any(|of| file.ends_with(of)));
    run(repo
        .command("node")?
        .args(["--test", "--test-reporter=spec", &format!("--test-concurrency={AT_ONCE}")])
        .arg(format!("--test-timeout={TIMEOUT}"))
        .args(files)
        .env("CHROMIUM", chromium)
        .env("SSEDGE_HOST", host.name()))
}

fn files(repo: &Repo) -> Result<Vec<PathBuf>> {
    let folder = repo.path("tests/browser");
    let found = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = found.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.to_string_lossy().ends_with(".test.mjs"));
    files.sort();
    ensure!(
        OF_THE_PAGE.iter().all(|of| files.iter().any(|file| file.ends_with(of))),
        "{OF_THE_PAGE:?} are files"
    );
    Ok(files)
}

/// Finds Chromium or Chrome, or installs it.
///
/// # Errors
/// A sentence that says how to install one.
pub fn chromium(repo: &Repo) -> Result<PathBuf> {
    for name in VARIABLES {
        if let Some(path) = env::var_os(name).filter(|path| !path.is_empty()) {
            let path = PathBuf::from(path);
            return if path.is_file() { Ok(path) } else { bail!("{name} names no file: {}", path.display()) };
        }
    }
    if let Some(found) = find(repo) {
        return Ok(found);
    }
    eprintln!("installing Chromium (a minute, once): the page is tested in it");
    for mut install in installs(repo)? {
        if run(&mut install).is_ok()
            && let Some(found) = find(repo)
        {
            return Ok(found);
        }
    }
    bail!(
        "the tests of the page need Chromium or Chrome, and it cannot be installed from here: install it by your \
         system's packages (on Debian and Ubuntu `apt-get install chromium`), or name one by CHROMIUM=<path>"
    )
}

/// Looks where systems, and then Playwright, put it.
fn find(repo: &Repo) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    #[cfg(target_os = "macos")]
    let on_path = on_path.chain([PathBuf::from(APPLICATION)]);
    on_path.chain(from_playwright(repo)).find(|program| program.is_file())
}

/// Where Playwright would have put the browser that belongs to the version of it that is used here.
fn from_playwright(repo: &Repo) -> Option<PathBuf> {
    let ask = "import('playwright-core').then(({ chromium }) => console.log(chromium.executablePath()))";
    let output = repo.command("node").ok()?.args(["--eval", ask]).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(path.trim())).filter(|path| !path.as_os_str().is_empty())
}

/// The ways to install it, the likelier first: the system's packages where that is allowed, else Playwright's build.
fn installs(repo: &Repo) -> Result<Vec<Command>> {
    let mut installs = Vec::new();
    // Whose process this is, where there is apt.
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if is_root && Path::new("/usr/bin/apt-get").exists() && !is_ubuntu() {
        let mut apt = repo.command("apt-get")?;
        apt.args(["install", "--yes", "--quiet", "chromium"]).env("DEBIAN_FRONTEND", "noninteractive");
        installs.push(apt);
    }
    let mut playwright = repo.command("playwright-core").context("npm packages are missing")?;
    playwright.args(["install", "chromium"]);
    installs.push(playwright);
    Ok(installs)
}

/// Its package `chromium` is a snap, which does not run in most containers.
fn is_ubuntu() -> bool {
    fs::read_to_string("/etc/os-release").is_ok_and(|text| text.lines().any(|line| line == "ID=ubuntu"))
}
