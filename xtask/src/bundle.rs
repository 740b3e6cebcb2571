//! `cargo xtask build`: the page and the Worker, as they are deployed.

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

const BUNDLE: &str = "handlers/worker/build";
/// The modules of the bundle, which wrangler uploads and `serve.mjs` runs.
const MODULES: [&str; 2] = ["index.js", "index_bg.wasm"];

/// Builds what has changed and prints the size of the Worker.
///
/// # Errors
/// When a step fails, or the bundle is over its bound.
pub fn build(repo: &Repo) -> Result<()> {
    let _lock = repo.lock()?;
    page(repo)?;
    weight::page(&repo.path("web/dist"))?;
    worker(repo)?;
    let (raw, gzip) = size(&repo.path(BUNDLE))?;
    println!("worker bundle: {} KB, {} KB gzip", raw.div_ceil(1024), gzip.div_ceil(1024));
    ensure!(
        gzip <= BUNDLE_MAX_GZIP,
        "the bundle is over its bound of {} KB gzip: see what grew, for example with `cargo bloat`",
        BUNDLE_MAX_GZIP / 1024
    );
    Ok(())
}

/// Bundles the page into `web/dist`: scripts and styles under names that change with their content, so that they
/// may be cached for ever, and a document that names them.
fn page(repo: &Repo) -> Result<()> {
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
fn worker(repo: &Repo) -> Result<()> {
    // As worker-build does, whose own call then finds that nothing is left to compile.
    let release = ["build", "--release", "--lib", "--target", "wasm32-unknown-unknown"];
    run(repo
        .command("cargo")?
        .args(release)
        .args(["--package", "ssedge-worker"])
        .env("WASM_BINDGEN_USE_JS_SYS", "1"))?;

    let wasm = repo.target_dir().join("wasm32-unknown-unknown/release/ssedge_worker.wasm");
    let tools = [".tools/.crates.toml", "package-lock.json"].map(|file| repo.path(file));
    let stamp = Stamp::new(repo, "worker", &[&[wasm], &tools[..]].concat())?;
    if stamp.is_current() && MODULES.iter().all(|module| repo.path(BUNDLE).join(module).is_file()) {
        return Ok(());
    }
    eprintln!("bundling the Worker");
    // Each of the three would otherwise be downloaded, from places that not every network reaches.
    let mut bundle = repo.command(repo.path(".tools/bin/worker-build"))?;
    bundle
        .current_dir(repo.path("handlers/worker"))
        .env("CARGO_TARGET_DIR", repo.target_dir())
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
