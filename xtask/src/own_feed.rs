//! The promise of the README: a feed of one's own is one folder and one line. A scratch copy of this checkout gets the example
//! and the line, and then has to pass what every feed passes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use ssedge::route::documents;

use crate::process::run;
use crate::repo::{NATIVE, Repo};

/// The example.
const EXAMPLE: &str = "examples/weather";
/// Where it goes.
const FEED: &str = "shared/src/feeds/weather";
/// The file with the table of feeds.
const TABLE: &str = "shared/src/feeds/mod.rs";
/// The file with the settings of the packages.
const MANIFEST: &str = "Cargo.toml";
/// The last line of the table, and what it is with one more.
const LINE: [&str; 2] = ["    channels,\n}", "    channels,\n    weather,\n}"];
/// What is made anew in the copy.
const MADE: [&str; 4] = [TABLE, MANIFEST, documents::OPENAPI, documents::ASYNCAPI];
/// The packages that are compiled in the copy. Cargo tells packages of two checkouts apart by their settings and not by
/// their place, so in the copy they have another number of codegen units: what is compiled of them here stays as it is.
const PACKAGES: [&str; 6] =
    ["ssedge", "ssedge-bindgen", "ssedge-lambda", "ssedge-tests", "ssedge-worker", "xtask"];
/// What the copy shares with this checkout: it is the same there, and takes minutes to make.
const SHARED: [&str; 4] = ["node_modules", "web/dist", ".tools/node", ".tools/python"];
/// Programs that know no feed.
const PROGRAMS: [&str; 2] = ["ssedge-emulator", "ssedge-table"];
/// The tests that ask the table without a host.
const DOCUMENTS: [&str; 3] = ["documents", "documents_answers", "documents_streams"];
/// The part of the contract that goes over every feed.
const CONTRACT: &str = "contract::holds_of_every_feed";

/// # Errors
/// When the copy with one more feed does not pass.
pub fn test(repo: &Repo) -> Result<()> {
    let copy = repo.target_dir().join("own-feed");
    copy_sources(repo, &copy)?;
    let text = fs::read_to_string(repo.path(TABLE)).with_context(|| format!("cannot read {TABLE}"))?;
    ensure!(
        text.contains(LINE[0]),
        "{TABLE} has no line of the last feed, behind which another one could stand"
    );
    write(&copy.join(TABLE), text.replace(LINE[0], LINE[1]).as_bytes())?;
    let mut manifest =
        fs::read_to_string(repo.path(MANIFEST)).with_context(|| format!("cannot read {MANIFEST}"))?;
    for package in PACKAGES {
        manifest.push_str(&format!("\n[profile.dev.package.{package}]\ncodegen-units = 200\n"));
    }
    write(&copy.join(MANIFEST), manifest.as_bytes())?;
    copy_folder(&repo.path(EXAMPLE), &copy.join(FEED))?;
    for shared in SHARED {
        let link = copy.join(shared);
        if repo.path(shared).exists() && !link.exists() {
            fs::create_dir_all(link.parent().context("it is in a folder")?)?;
            symlink(repo.path(shared), &link).with_context(|| format!("cannot link {shared}"))?;
        }
    }
    fs::copy(repo.path(".tools/page.stamp"), copy.join(".tools/page.stamp"))
        .context("the page is not built")?;
    let programs = copy.join("target/debug");
    fs::create_dir_all(&programs)?;
    for program in PROGRAMS {
        fs::copy(repo.built(program), programs.join(program))
            .with_context(|| format!("{program} is not built"))?;
    }
    // The dependencies are those of this checkout, so only its own packages are compiled anew.
    let cargo = |arguments: &[&str]| -> Result<()> {
        let mut cargo = repo.command("cargo")?;
        cargo.current_dir(&copy).env("CARGO_TARGET_DIR", copy.join("target"));
        run(cargo.env("CARGO_BUILD_BUILD_DIR", repo.target_dir()).args(arguments))
    };
    let native: Vec<_> = NATIVE.split(' ').collect();
    let test = |arguments: &[&str]| cargo(&[&["test", "--quiet"][..], &native, arguments].concat());
    for made in [documents::OPENAPI, documents::ASYNCAPI] {
        // The first time it is that of this checkout, since the core does not compile without it.
        if !copy.join(made).exists() {
            write(&copy.join(made), &fs::read(repo.path(made))?)?;
        }
    }
    cargo(&["xtask", "openapi"])?;
    let documents = DOCUMENTS.map(|test| ["--test", test]);
    test(documents.as_flattened())?;
    cargo(&[&["build", "--quiet"][..], &native, &["--bin", "ssedge-lambda"]].concat())?;
    test(&["--test", "lambda", "--", CONTRACT])?;
    cargo(&["xtask", "test", "--only", "build the Worker of dev"])?;
    copy_folder(&copy.join("target/worker"), &copy.join("handlers/worker/build"))?;
    test(&["--test", "worker", "--", CONTRACT])
}

/// Brings the copy up to date, but for what is made anew in it. A file that is the same keeps its time, so that what was
/// made of it is kept, too.
fn copy_sources(repo: &Repo, copy: &Path) -> Result<()> {
    for path in repo.sources()?.iter().filter(|path| !MADE.contains(&path.as_str())) {
        write(&copy.join(path), &fs::read(repo.path(path))?)?;
    }
    Ok(())
}

/// Copies the files of a folder.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let path = entry?.path();
        let name = path.file_name().context("a file has a name")?;
        write(&to.join(name), &fs::read(&path)?)?;
    }
    Ok(())
}

/// Writes a file, unless it is so already.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
