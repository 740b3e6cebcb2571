//! `cargo xtask build`: the page and the Worker or the function, as they are deployed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::process::{run, run_quietly};
use crate::repo::{Repo, fingerprint};
use crate::weight;

/// The size is the time that a cold start takes. Cloudflare's own bound is 3 MB on the free plan.
const BUNDLE_MAX_GZIP: usize = 400 * 1024;

/// A cold start loads the function, and when many readers come at once, each of them has one. With the SDK of
/// DynamoDB and the page it takes 3.9 MB; a second TLS stack, which the SDK's default features bring, would be 2 MB
/// more.
const FUNCTION_MAX: usize = 4 * 1024 * 1024;

const BUNDLE: &str = "handlers/worker/build";
/// Where `sam build` puts the function of template.yaml, and `sam deploy` takes it from.
const FUNCTION: &str = ".aws-sam/build/Function/bootstrap";
/// The modules of the bundle, which wrangler uploads and `serve.mjs` runs.
const MODULES: [&str; 2] = ["index.js", "index_bg.wasm"];

/// Builds what has changed and prints the size of the Worker.
///
/// # Errors
/// When a step fails, or the bundle is over its bound.
pub fn worker(repo: &Repo) -> Result<()> {
    let _lock = repo.lock()?;
    dist(repo)?;
    compile_worker(repo)?;
    let (raw, gzip) = size(&repo.path(BUNDLE))?;
    println!("worker bundle: {} KB, {} KB gzip", raw.div_ceil(1024), gzip.div_ceil(1024));
    ensure!(
        gzip <= BUNDLE_MAX_GZIP,
        "the bundle is over its bound of {} KB gzip: see what grew, for example with `cargo bloat`",
        BUNDLE_MAX_GZIP / 1024
    );
    Ok(())
}

/// Builds the page and, with `sam build`, the function that carries it, and prints the function's size.
///
/// # Errors
/// When a step fails, or the function is over its bound or not for arm64.
pub fn lambda(repo: &Repo) -> Result<()> {
    let _lock = repo.lock()?;
    dist(repo)?;
    // cargo-lambda, which sam starts, strips it and takes the rest of the profile from Cargo.toml.
    eprintln!("building the function for arm64 (some minutes, the first time)");
    run_quietly(repo.command("sam")?.args(["build", "--template-file", "template.yaml"]))?;
    let path = repo.path(FUNCTION);
    let function = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(is_arm64(&function), "{FUNCTION} is no program for arm64 Linux");
    println!("function: {} KB", function.len().div_ceil(1024));
    ensure!(
        function.len() <= FUNCTION_MAX,
        "the function is over its bound of {} KB: see what grew, for example with `cargo bloat`",
        FUNCTION_MAX / 1024
    );
    Ok(())
}

/// Builds the function, with the page, and the emulator that runs it on this machine.
///
/// # Errors
/// When a step fails.
pub fn local(repo: &Repo) -> Result<()> {
    page(repo)?;
    let packages = ["--package", "ssedge-lambda", "--package", "ssedge-emulator"];
    run(repo.command("cargo")?.args(["build", "--profile", "local"]).args(packages))
}

/// Builds the page alone, which the function takes up when it is compiled.
///
/// # Errors
/// When a step fails.
pub fn page(repo: &Repo) -> Result<()> {
    let _lock = repo.lock()?;
    dist(repo)
}

/// Whether this begins as an ELF file of 64 bits, little-endian, for the machine 183.
fn is_arm64(program: &[u8]) -> bool {
    program.starts_with(b"\x7fELF\x02\x01") && program.get(18..20) == Some(&[183, 0])
}

/// Bundles the page into `web/dist`: scripts and styles under names that change with their content, so that they
/// may be cached for ever, and a document that names them.
fn dist(repo: &Repo) -> Result<()> {
    let stamp = Stamp::new(repo, "page", &[repo.path("web/src"), repo.path("package-lock.json")])?;
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

/// Compiles the Worker and lets worker-build make the bundle, unless this very wasm has been bundled before.
fn compile_worker(repo: &Repo) -> Result<()> {
    // As worker-build does, whose own call then finds that nothing is left to compile.
    let release = ["build", "--release", "--lib", "--target", "wasm32-unknown-unknown"];
    run(repo
        .command("cargo")?
        .args(release)
        .args(["--package", "ssedge-worker"])
        .env("WASM_BINDGEN_USE_JS_SYS", "1"))?;

    let wasm = repo.target_dir().join("wasm32-unknown-unknown/release/ssedge_worker.wasm");
    let tools =
        [".tools/.crates.toml", "package-lock.json", "xtask/src/bundle.rs"].map(|file| repo.path(file));
    let stamp = Stamp::new(repo, "worker", &[&[wasm], &tools[..]].concat())?;
    if stamp.is_current() && MODULES.iter().all(|module| repo.path(BUNDLE).join(module).is_file()) {
        return Ok(());
    }
    eprintln!("bundling the Worker");
    let mut bundle = repo.command(repo.path(".tools/bin/worker-build"))?;
    bundle
        .current_dir(repo.path("handlers/worker"))
        .env("CARGO_TARGET_DIR", repo.target_dir())
        // A request goes on when its client has left (`waitUntil`). A future that is not woken again is never freed.
        .env("RUN_TO_COMPLETION", "1")
        // Each of the three would otherwise be downloaded, from places that not every network reaches.
        .env("WASM_BINDGEN_BIN", repo.path(".tools/bin/wasm-bindgen"))
        .env("WASM_OPT_BIN", repo.path("node_modules/.bin/wasm-opt"))
        .env("ESBUILD_BIN", repo.path("node_modules/.bin/esbuild"))
        .arg("--release");
    run_quietly(&mut bundle)?;
    stamp.set()
}

/// Bytes of all modules, as they are and compressed together, as an upload is.
fn size(bundle: &Path) -> Result<(usize, usize)> {
    let mut raw = 0;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    for module in MODULES {
        let path = bundle.join(module);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        raw += bytes.len();
        gzip.write_all(&bytes).context("cannot compress")?;
    }
    Ok((raw, gzip.finish().context("cannot compress")?.len()))
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
