//! What becomes of a change while `cargo xtask dev` serves, on either host. The checkout is a copy: others test this one.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::client::{Client, EventSource, PATIENCE};
use crate::dev::{Dev, START, xtask_in};
use crate::host::{Folder, root, target};

/// What of the source is changed, and tells by the host's answer that it was.
const SOURCE: &str = "shared/src/route/response.rs";
const STATUS: &str = "status: \"ok\"";
const LOG: &str = "said.log";
/// Where cargo keeps what it compiled, on this machine and for the Worker.
const COMPILED: [&str; 2] = ["debug", "wasm32-unknown-unknown/debug"];

/// The files of this checkout in another place, with its npm packages and what was compiled of other people's crates.
struct Checkout(Folder);

impl Checkout {
    fn new() -> Self {
        let checkout = Self(Folder::new());
        let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
        let list = Command::new("git").args(list).current_dir(root()).output().unwrap().stdout;
        for file in String::from_utf8(list).unwrap().lines().filter(|file| root().join(file).is_file()) {
            let to = checkout.path(file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(root().join(file), to).unwrap();
        }
        symlink(root().join("node_modules"), checkout.path("node_modules")).unwrap();
        for compiled in COMPILED {
            for folder in ["deps", "build", ".fingerprint"] {
                let folder = Path::new(compiled).join(folder);
                take(&target().join(&folder), &checkout.path("target").join(&folder));
            }
        }
        checkout
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn start(&self, host: &str) -> Dev {
        let mut dev = xtask_in(self.0.path());
        dev.args(["dev", host, "--port", "0", "--no-vars"]).env("CARGO_TARGET_DIR", self.path("target"));
        Dev::spawn(dev.stderr(File::create(self.path(LOG)).unwrap()))
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(self.path(file), text.replacen(from, to, 1)).unwrap();
    }

    /// Waits until it has said this so many times.
    fn says(&self, what: &str, times: usize) {
        let deadline = Instant::now() + START;
        let said = || fs::read_to_string(self.path(LOG)).unwrap();
        while said().matches(what).count() < times {
            assert!(Instant::now() < deadline, "it does not say {what:?}: {}", said());
            sleep(Duration::from_millis(50));
        }
    }
}

/// What cargo compiled of crates that are not of this workspace, which does not depend on where the workspace is.
fn take(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).into_iter().flatten() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_own = ["ssedge", "xtask"].iter().any(|own| name.trim_start_matches("lib").starts_with(own));
        // The rest are programs, which would be linked anew.
        let is_kept = !from.ends_with("deps") || name.starts_with("lib") || name.ends_with(".d");
        if is_kept && !is_own {
            copy(&from.join(&name), &to.join(name));
        }
    }
}

/// A file or a folder. What goes away while it is copied is not there: somebody builds.
fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        for entry in fs::read_dir(from).into_iter().flatten().flatten() {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
        return;
    }
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    // A library is written once, so it can be shared.
    if from.parent().is_some_and(|folder| folder.ends_with("deps")) && fs::hard_link(from, to).is_ok() {
        return;
    }
    let Ok(written) = fs::metadata(from).and_then(|file| file.modified()) else { return };
    if fs::copy(from, to).is_ok() {
        // Cargo goes by these times.
        File::options().write(true).open(to).and_then(|file| file.set_modified(written)).unwrap();
    }
}

async fn status(client: &Client) -> String {
    client.get("/healthz", &[]).await.json()["status"].as_str().unwrap().to_owned()
}

/// A line that is changed is served; one that does not compile is shown, and the version before is served on. Readers
/// come back to all that was said, and the page to what is served now. A setting needs no build.
pub async fn a_change_is_served_and_an_error_is_not(host: &str) {
    // So that what is copied is there.
    drop(Dev::start(&[host, "--port", "0", "--state", Folder::new().path().to_str().unwrap()]));
    let checkout = Checkout::new();
    let dev = checkout.start(host);
    let client = dev.client();
    let build = client.get("/__dev/build", &[]).await.text;
    let page = client.get("/", &[]).await.text;
    assert!(
        page.contains(&format!("<script type=\"module\" src=\"/__dev/reload.js?build={build}\">")),
        "{page}"
    );
    assert!(client.get("/__dev/reload.js", &[]).await.text.contains("location.reload()"));
    let mut reader = EventSource::new(&client, "/api/chat?history=0");
    assert_eq!(reader.next(PATIENCE).await.unwrap().event, "cursor");
    let first = client.say("lobby", "before").await;
    assert_eq!(reader.next(PATIENCE).await.unwrap().last_event_id, first.to_string());

    checkout.edit(SOURCE, STATUS, "status: 5");
    checkout.says("expected `&str`, found integer", 1);
    checkout.says("served on until this is mended", 1);
    assert_eq!(status(&client).await, "ok");
    assert_eq!(client.get("/__dev/build", &[]).await.text, build);

    checkout.edit(SOURCE, "status: 5", "status: \"changed\"");
    checkout.says("served again", 1);
    assert_eq!(status(&client).await, "changed");
    assert_ne!(client.get("/__dev/build", &[]).await.text, build);
    let second = client.say("lobby", "after").await;
    assert_eq!(second, first + 1, "what was kept is kept on");
    loop {
        let message = reader.next(PATIENCE).await.unwrap();
        if message.event == "message" {
            assert_eq!(message.last_event_id, second.to_string());
            break;
        }
    }

    checkout.edit("web/src/index.html", "<title>ssedge</title>", "<title>changed</title>");
    checkout.says("served again", 2);
    assert!(client.get("/", &[]).await.text.contains("<title>changed</title>"));

    fs::write(checkout.path(".dev.vars"), "HEARTBEAT_SECS=0\n").unwrap();
    checkout.says("HEARTBEAT_SECS is bad", 1);
    fs::write(checkout.path(".dev.vars"), "ANONYMOUS=subscribe *\n").unwrap();
    checkout.says("served again", 3);
    let post = client.post_json("/api/chat", r#"{"user":"ada","text":"hi"}"#).await;
    assert_eq!(post.status, 403, "{post:?}");
}
