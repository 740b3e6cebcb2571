//! A running system: its port, and what the kernel says of its processes.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::client;
use crate::system::{Runtime, System, Talk, Target};
use crate::token;

/// How long a server may take to start beside others that build or measure.
const START: Duration = Duration::from_secs(60);
/// Ticks of a second in /proc: Linux tells every program so, whatever it counts by.
const TICKS: f64 = 100.0;
/// Where the package of the peers is installed, and where they are.
const PEERS: &str = ".tools/bench/peers";
/// Where Debian's package `libnginx-mod-nchan` has it.
const NCHAN: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// What a server says of itself, in the folder of its state.
const LOG: &str = "log";

/// Settings of ssedge under load: one sender posts all, and one address reads all.
const SETTINGS: [(&str, &str); 5] = [
    ("AUTH_SECRET", token::SECRET),
    ("POST_RATE", "1000000"),
    ("POST_BURST", "1000000"),
    ("STREAMS_PER_SENDER", "0"),
    ("STREAMS_PER_CHANNEL", "0"),
];

/// What a system has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Seconds of user and system time.
    pub cpu_secs: f64,
    /// Resident memory.
    pub kilobytes: f64,
}

/// Ends with its value.
pub struct Server {
    pub system: System,
    pub port: u16,
    child: Child,
    /// The processes that count.
    counted: Vec<u32>,
    state: PathBuf,
}

impl Server {
    /// Starts a system with no memory of another run. If it is `counting`, a Worker can be asked what its objects were asked.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(system: System, counting: bool) -> Result<Self> {
        let state = env::temp_dir().join(format!("ssedge-bench-{}", std::process::id()));
        let _ = fs::remove_dir_all(&state);
        fs::create_dir_all(&state).with_context(|| format!("cannot make {}", state.display()))?;
        let (child, port) = match system.runtime() {
            Runtime::Nginx => nginx(&state).await?,
            _ => node(system, &state, counting).await?,
        };
        let root = child.id().context("it ended at its start")?;
        let mut counted = tree(root);
        match system.runtime() {
            Runtime::Workerd => counted.retain(|pid| command(*pid).as_deref() == Some("workerd")),
            Runtime::Node => counted.truncate(1),
            Runtime::Nginx => {}
        }
        Ok(Self { system, port, child, counted, state })
    }

    pub const fn target(&self, talk: Talk) -> Target {
        Target { system: self.system, port: self.port, talk }
    }

    /// What its processes have used until now.
    pub fn usage(&self) -> Usage {
        let mut all = Usage::default();
        for pid in &self.counted {
            all.cpu_secs += read(*pid, "stat").and_then(|stat| cpu_secs(&stat)).unwrap_or_default();
            all.kilobytes += read(*pid, "status").and_then(|status| kilobytes(&status)).unwrap_or_default();
        }
        all
    }

    /// What it has said of itself.
    pub fn log(&self) -> String {
        fs::read_to_string(self.state.join(LOG)).unwrap_or_default()
    }

    /// How many objects were made, and how many requests they had, if it counts them.
    ///
    /// # Errors
    /// When it does not say so.
    pub async fn counts(&self) -> Result<(f64, f64)> {
        let counts = client::ask(self.port, "/bench").await?;
        let count = |name: &str| counts[name].as_f64().with_context(|| format!("it counts no {name}"));
        Ok((count("objects")?, count("requests")?))
    }

    /// Ends all of its processes. What they keep is thrown away, so they are not asked.
    pub async fn stop(mut self) {
        for pid in self.child.id().into_iter().flat_map(tree) {
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
        let _ = self.child.wait().await;
        let _ = fs::remove_dir_all(&self.state);
        // What its sockets leave to the kernel.
        sleep(Duration::from_millis(100)).await;
    }
}

/// Whether it can be measured on this machine.
pub fn is_here(system: System) -> bool {
    system.runtime() != Runtime::Nginx || Path::new(NCHAN).exists()
}

/// A Worker or a server of Node, and its port.
async fn node(system: System, state: &Path, counting: bool) -> Result<(Child, u16)> {
    let peer = format!("{PEERS}/{}.mjs", system.name());
    let mut node = Command::new("node");
    match system.runtime() {
        Runtime::Workerd => node.arg("xtask/bench/worker.mjs"),
        _ => node.args(["xtask/bench/node.mjs", &peer]),
    };
    let log = File::create(state.join(LOG)).context("its log cannot be written")?;
    let pipes = node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
    let mut child = pipes.spawn().context("cannot start node")?;
    let vars: BTreeMap<_, _> = SETTINGS.into_iter().collect();
    let told = match system {
        System::Ssedge => json!({ "state": state, "vars": vars, "counting": counting }),
        _ => json!({ "state": state, "peer": peer, "counting": counting }),
    };
    let stdin = child.stdin.as_mut().context("its input is a pipe")?;
    stdin.write_all(format!("{told}\n").as_bytes()).await.context("it ended at once")?;
    let mut lines = BufReader::new(child.stdout.take().context("its output is a pipe")?).lines();
    let line = timeout(START, lines.next_line()).await.context("it does not start")??;
    let port = line.context("it ended at its start")?.parse().context("its first line is no port")?;
    Ok((child, port))
}

/// nginx with nchan, on a port that was free a moment ago.
async fn nginx(state: &Path) -> Result<(Child, u16)> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let template = fs::read_to_string("xtask/bench/peers/nchan.conf").context("its settings are missing")?;
    let file = state.join("nginx.conf");
    let filled = template.replace("PORT", &port.to_string()).replace("STATE", &state.display().to_string());
    fs::write(&file, filled).context("its settings cannot be written")?;
    // The worker has the rights of nobody.
    fs::set_permissions(state, Permissions::from_mode(0o755))?;
    let mut nginx = Command::new("nginx");
    nginx.args(["-e", "stderr", "-p"]).arg(state).arg("-c").arg(&file);
    let log = File::create(state.join(LOG)).context("its log cannot be written")?;
    let child = nginx.stdin(Stdio::piped()).stderr(log).kill_on_drop(true).spawn();
    let child = child.context("cannot start nginx")?;
    let began = Instant::now();
    let root = child.id().context("it ended at its start")?;
    // It listens before it has started the process that serves.
    while tree(root).len() < 2 || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
        ensure!(began.elapsed() < START, "nginx does not start");
        sleep(Duration::from_millis(20)).await;
    }
    Ok((child, port))
}

fn read(pid: u32, file: &str) -> Option<String> {
    fs::read_to_string(Path::new("/proc").join(pid.to_string()).join(file)).ok()
}

fn command(pid: u32) -> Option<String> {
    read(pid, "comm").map(|name| name.trim().to_owned())
}

/// The fields of /proc/PID/stat behind the name of the program, which may have spaces and brackets.
fn fields(stat: &str) -> Option<Vec<&str>> {
    stat.rsplit_once(") ").map(|(_, fields)| fields.split(' ').collect())
}

/// The user and system time in /proc/PID/stat.
fn cpu_secs(stat: &str) -> Option<f64> {
    let fields = fields(stat)?;
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

/// The resident memory in /proc/PID/status.
fn kilobytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// A process and all that it started.
fn tree(root: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let parent = |pid: &u32| fields(&read(*pid, "stat")?)?.get(1)?.parse::<u32>().ok();
    let parents: Vec<_> = pids.iter().filter_map(|pid| Some((*pid, parent(pid)?))).collect();
    let mut tree = vec![root];
    let mut at = 0;
    while let Some(parent) = tree.get(at).copied() {
        tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| pid));
        at += 1;
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::{cpu_secs, kilobytes, tree};

    #[test]
    fn the_times_are_found_behind_a_name_with_spaces() {
        let stat = "12 (a) b (c) S 1 12 12 0 -1 4194304 10 0 0 0 250 50 0 0 20 0 9 0 100 1 2";
        assert_eq!(cpu_secs(stat), Some(3.0));
        assert_eq!(cpu_secs("12 (a"), None);
    }

    #[test]
    fn the_resident_memory_is_found() {
        assert_eq!(kilobytes("Name:\ta\nVmHWM:\t   9 kB\nVmRSS:\t    1234 kB\n"), Some(1234.0));
        assert_eq!(kilobytes("Name:\ta\n"), None);
    }

    #[test]
    fn a_process_is_in_its_own_tree() {
        assert_eq!(tree(std::process::id()).first(), Some(&std::process::id()));
    }
}
