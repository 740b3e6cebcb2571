//! `cargo xtask build`: the page and the Worker or the function, as they are deployed, and as `cargo xtask dev` and the
//! tests run them on this machine. Each sets up first what it needs.

mod worker;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::process::{run, run_quietly};
use crate::repo::{Repo, fingerprint};
use crate::steps::{side_by_side, step};
use crate::wasm::Profile;
use crate::{setup, weight};

/// The size is the time that a cold start takes. Cloudflare's own bound is 3 MB on the free plan.
const BUNDLE_MAX_GZIP: usize = 450 * 1024;

/// A cold start loads the function, and when many readers come at once, each of them has one. With the SDK of
/// DynamoDB, `lambda_http` and the page it takes 4385 KB, and may grow by 3 %. A second TLS stack, which the SDK's
/// default features bring, would be 2 MB more.
const FUNCTION_MAX: usize = 4510 * 1024;

/// The function, as a program of this machine.
pub const FUNCTION: &str = "ssedge-lambda";
/// The emulator of Lambda, and its table.
const PLATFORM: [&str; 2] = ["ssedge-emulator", "ssedge-table"];
/// What the page takes of the npm package.
pub const CLIENT: &str = "packages/client/src";
/// Where `sam build` puts the function of template.yaml, and `sam deploy` takes it from.
const BOOTSTRAP: &str = ".aws-sam/build/Function/bootstrap";

/// Builds the Worker that is deployed, and prints its size.
///
/// # Errors
/// When a step fails, or the bundle is over its bound.
pub fn worker(repo: &Repo) -> Result<()> {
    let folder = worker_and_page(repo, Profile::Release)?;
    let (raw, gzip) = worker::size(&folder)?;
    println!("worker bundle: {} KB, {} KB gzip", raw.div_ceil(1024), gzip.div_ceil(1024));
    ensure!(
        gzip <= BUNDLE_MAX_GZIP,
        "the bundle is over its bound of {} KB gzip: see what grew, for example with `cargo bloat`",
        BUNDLE_MAX_GZIP / 1024
    );
    Ok(())
}

/// Builds the Worker for this machine, which takes less time, and answers where it is.
///
/// # Errors
/// When a step fails.
pub fn local_worker(repo: &Repo) -> Result<PathBuf> {
    worker_and_page(repo, Profile::Dev)
}

/// Where [`local_worker`] builds.
pub fn local_worker_folder(repo: &Repo) -> PathBuf {
    worker::folder(repo, Profile::Dev)
}

fn worker_and_page(repo: &Repo, profile: Profile) -> Result<PathBuf> {
    let compile = || {
        setup::rust_target(setup::WASM)?;
        worker::compile(repo, profile)
    };
    let (wasm, ()) = side_by_side(compile, || set_up_and_build_page(repo))?;
    worker::bundle(repo, profile, &wasm)?;
    Ok(worker::folder(repo, profile))
}

/// Builds the page and, with `sam build`, the function that carries it, and prints the function's size.
///
/// # Errors
/// When a step fails, or the function is over its bound or not for arm64.
pub fn lambda(repo: &Repo) -> Result<()> {
    let tools = || {
        setup::rust_target(setup::ARM64)?;
        setup::python_packages(repo)
    };
    side_by_side(tools, || set_up_and_build_page(repo))?;
    let _lock = repo.lock("function")?;
    // cargo-lambda, which sam starts, strips it and takes the rest of the profile from Cargo.toml.
    step("building the function for arm64 (some minutes, the first time)", || {
        run_quietly(repo.command("sam")?.args(["build", "--template-file", "template.yaml"]))
    })?;
    let path = repo.path(BOOTSTRAP);
    let function = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(is_arm64(&function), "{BOOTSTRAP} is not a program for arm64 Linux");
    println!("function: {} KB", function.len().div_ceil(1024));
    ensure!(
        function.len() <= FUNCTION_MAX,
        "the function is over its bound of {} KB: see what grew, for example with `cargo bloat`",
        FUNCTION_MAX / 1024
    );
    Ok(())
}

/// Builds the function, with the page, and the emulator and the table that run it on this machine.
///
/// # Errors
/// When a step fails.
pub fn local(repo: &Repo) -> Result<()> {
    // The function takes up the page, which the npm packages build. The emulator shares most of its crates. The table is
    // one long chain of crates, which leaves a core idle unless the function is compiled beside it.
    let emulator = || {
        step("compiling the emulator of Lambda (a minute, the first time)", || repo.compile(&[PLATFORM[0]]))
    };
    side_by_side(emulator, || set_up_and_build_page(repo))?;
    step("compiling the function and its table (two minutes, the first time)", || {
        repo.compile(&[PLATFORM[0], PLATFORM[1], FUNCTION])
    })
}

/// Builds the page alone, which the function takes up when it is compiled.
///
/// # Errors
/// When a step fails.
pub fn page(repo: &Repo) -> Result<()> {
    set_up_and_build_page(repo)
}

fn set_up_and_build_page(repo: &Repo) -> Result<()> {
    setup::npm_packages(repo)?;
    dist(repo)
}

/// Whether this begins as an ELF file of 64 bits, little-endian, for the machine 183.
fn is_arm64(program: &[u8]) -> bool {
    program.starts_with(b"\x7fELF\x02\x01") && program.get(18..20) == Some(&[183, 0])
}

/// Bundles the page into `web/dist`: scripts and styles under names that change with their content, so that they
/// may be cached for ever, and a document that names them.
fn dist(repo: &Repo) -> Result<()> {
    let _lock = repo.lock("page")?;
    let inputs = ["web/src", CLIENT, "package-lock.json"].map(|path| repo.path(path));
    let stamp = Stamp::new(repo, "page", &inputs)?;
    let dist = repo.path("web/dist");
    if stamp.is_current() && dist.is_dir() {
        return Ok(());
    }
    let staging = repo.path("web/dist.new");
    let _ = fs::remove_dir_all(&staging);
    run(repo
        .command(repo.path("node_modules/.bin/esbuild"))?
        .args(["web/src/page.ts", "web/src/page.css", "--bundle", "--minify", "--target=es2022"])
        .args(["--entry-names=[name]-[hash]", "--log-level=warning"])
        .arg(format!("--outdir={}", staging.join("assets").display())))?;

    let mut document = read(&repo.path("web/src/index.html"))?;
    for (source, extension) in [("page.ts", "js"), ("page.css", "css")] {
        let built = only_file(&staging.join("assets"), extension)?;
        ensure!(document.contains(source), "web/src/index.html does not refer to {source}");
        document = document.replace(source, &format!("/assets/{built}"));
    }
    write(&staging.join("index.html"), &document)?;
    write(&staging.join("_headers"), &read(&repo.path("web/src/_headers"))?)?;

    let _ = fs::remove_dir_all(&dist);
    fs::rename(&staging, &dist).context("cannot put web/dist in place")?;
    weight::page(&dist)?;
    stamp.set()
}

fn only_file(folder: &Path, extension: &str) -> Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(&format!(".{extension}")) {
            names.push(name);
        }
    }
    match <[String; 1]>::try_from(names) {
        Ok([name]) => Ok(name),
        Err(names) => bail!("esbuild wrote {} .{extension} files instead of one", names.len()),
    }
}

/// Remembers from what a result was made.
struct Stamp {
    file: PathBuf,
    inputs: String,
}

impl Stamp {
    fn new(repo: &Repo, name: &str, inputs: &[PathBuf]) -> Result<Self> {
        Ok(Self { file: repo.path(".tools").join(format!("{name}.stamp")), inputs: fingerprint(inputs)? })
    }

    fn is_current(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|inputs| inputs == self.inputs)
    }

    fn set(&self) -> Result<()> {
        write(&self.file, &self.inputs)
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::is_arm64;

    #[test]
    fn a_program_for_another_machine_is_told_by_its_head() {
        let head = |machine| [&b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0"[..], &[machine, 0]].concat();
        assert!(is_arm64(&head(183)));
        assert!(!is_arm64(&head(62)), "x86-64");
        assert!(!is_arm64(b"\x7fELF") && !is_arm64(b"#!/bin/sh\necho this is a script"));
    }
}
