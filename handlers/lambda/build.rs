//! Puts the page into the binary: writes a table of the files in `web/dist`.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let dist = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../web/dist").canonicalize();
    let dist = dist.map_err(|e| format!("web/dist: {e}: `cargo xtask build lambda` makes it"))?;
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-changed=build.rs");

    let rules = fs::read_to_string(dist.join("_headers"))?;
    let mut table = String::from("const ASSETS: &[Asset] = &[\n");
    for file in files(&dist)? {
        let path = format!("/{}", file.strip_prefix(&dist)?.to_str().ok_or("a file name that is no UTF-8")?);
        if path == "/_headers" {
            continue;
        }
        let url = path.strip_suffix("index.html").unwrap_or(&path);
        let content_type = content_type(&path).ok_or_else(|| format!("{path}: a file of what type?"))?;
        let headers = headers(&rules, url);
        writeln!(
            table,
            "Asset {{ path: {url:?}, content_type: {content_type:?}, headers: &{headers:?}, body: include_bytes!({file:?}) }},"
        )?;
    }
    table.push_str("];\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("assets.rs"), table)?;
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.append(&mut files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn content_type(path: &str) -> Option<&'static str> {
    Some(match path.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webmanifest" => "application/manifest+json",
        _ => return None,
    })
}

/// The headers of a file, as [Cloudflare's format] has them: a line with a path, which may end in `*`, and indented
/// lines with a header each.
///
/// [Cloudflare's format]: https://developers.cloudflare.com/workers/static-assets/headers/
fn headers(rules: &str, url: &str) -> Vec<(String, String)> {
    let (mut headers, mut applies) = (Vec::new(), false);
    for line in rules.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        match (line.starts_with([' ', '\t']), line.trim().split_once(':')) {
            (false, _) => {
                let pattern = line.trim();
                applies = pattern.strip_suffix('*').map_or(url == pattern, |prefix| url.starts_with(prefix));
            }
            (true, Some((name, value))) if applies => {
                headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
            (true, _) => {}
        }
    }
    headers
}
