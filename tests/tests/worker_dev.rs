//! `cargo xtask dev worker`.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

use nix::sys::signal::Signal;
use ssedge_tests::client::{Client, PATIENCE};
use ssedge_tests::dev::{Dev, edit, refused, run_line, said, vars};
use ssedge_tests::host::{Folder, free_port};

#[tokio::test]
async fn the_lines_that_it_prints_work() {
    let (port, state) = (free_port().to_string(), Folder::new());
    let dev = Dev::start(&["worker", "--port", &port, "--state", state.path().to_str().unwrap()]);
    assert!(
        dev.greeting.iter().any(|line| line.contains(&format!("http://127.0.0.1:{port}"))),
        "{:?}",
        dev.greeting
    );
    assert_eq!(dev.client().get("/healthz", &[]).await.json()["host"], "worker");
    dev.client().say("lobby", "hi").await;

    let lines: Vec<_> =
        dev.greeting.iter().map(|line| line.trim()).filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(lines.len(), 4, "{:?}", dev.greeting);
    for (line, (path, expected)) in lines.iter().zip([
        ("/api/events", "\n\ndata: {\"type\":\"tick\",\"time\":\""),
        ("/api/stock", "\ndata: {\"symbol\":\"ACME\",\"price\":"),
        ("/api/chat", "\"room\":\"lobby\",\"user\":\"ada\",\"text\":\"hi\",\"time\":\""),
        ("/api/channels/public/hello", "\"cursor\":\"0\""),
    ]) {
        assert!(line.contains(&format!("http://127.0.0.1:{port}{path}")), "{line}");
        let output = run_line(line, |output| output.contains(expected));
        assert!(output.starts_with("retry: "), "{line}: {output}");
    }
    assert_eq!(dev.end_by(Signal::SIGTERM).code(), Some(0));
    TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse().unwrap())).expect("the port is free again");
}

#[tokio::test]
async fn history_outlives_the_server_and_ids_go_on() {
    let state = Folder::new();
    let arguments =
        ["worker", "--port", "0", "--state", state.path().to_str().unwrap(), "--var", "HEARTBEAT_SECS=1"];
    let dev = Dev::start(&arguments);
    let mut ids = Vec::new();
    for text in ["1", "2", "3"] {
        ids.push(dev.client().say("lobby", text).await);
    }
    // Another server would write where this one does.
    refused(&arguments, &["another server", "--state"]);
    // A reader that is connected does not hold the end up.
    let mut reader = dev.client().open("/api/chat?history=0", &[]).await;
    reader.message().await;
    assert!(reader.next(PATIENCE).await.is_ok(), "the setting HEARTBEAT_SECS was given");
    assert_eq!(dev.end_by(Signal::SIGINT).code(), Some(0));

    let dev = Dev::start(&arguments);
    ids.push(dev.client().say("lobby", "4").await);
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ids:?}");
    let path = format!("/api/chat?lastEventId={}", reader.cursor());
    assert_eq!(dev.client().open(&path, &[]).await.plain(1).await[0].last_event_id, ids[3].to_string());
    let snapshot = dev.client().get_json("/api/chat").await.json();
    assert_eq!(snapshot["messages"].as_array().map(Vec::len), Some(4), "{snapshot}");
    dev.end_by(Signal::SIGTERM);
}

#[tokio::test]
async fn a_secret_is_in_no_list_of_processes() {
    vars::the_file_is_read_and_not_shown("worker").await;
}

#[tokio::test]
async fn the_first_token_is_taken_by_the_server_that_runs() {
    vars::the_first_token_is_taken_by_the_server_that_runs("worker").await;
}

#[tokio::test]
async fn a_token_that_was_minted_is_accepted() {
    vars::a_minted_token_is_accepted("worker").await;
}

#[tokio::test]
async fn a_change_is_served_and_an_error_is_not() {
    edit::a_change_is_served_and_an_error_is_not("worker").await;
}

#[tokio::test]
async fn either_address_of_this_machine_is_taken_for_localhost() {
    let state = Folder::new();
    let dev = Dev::start(&["worker", "--port", "0", "--state", state.path().to_str().unwrap()]);
    let client = dev.client();
    let port = client.authority().rsplit_once(':').unwrap().1;
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        println!("this machine has no ::1");
        return;
    }
    let client = Client::new(&format!("http://[::1]:{port}"));
    assert_eq!(client.get("/healthz", &[]).await.status, 200);
    refused(&["worker", "--port", port], &[&format!("port {port}"), "cannot be used"]);
}

/// As many lines as can be read at a glance.
#[test]
fn without_a_command_or_with_a_misspelt_one_it_says_what_there_is() {
    for (words, first) in [
        (&[][..], "Serve, test and build ssedge"),
        (&["tets"], "error: there is no command `tets`: did you mean `test`?"),
        (&["xyz"], "error: there is no command `xyz`"),
    ] {
        let (code, said) = said(words);
        assert_eq!(code, Some(2), "{words:?}: {said}");
        assert!(said.starts_with(first) && said.lines().count() <= 14, "{words:?}: {said}");
        for command in ["dev", "token", "quotes", "test", "build", "bench", "openapi", "setup"] {
            let line = said.lines().find(|line| line.trim_start().starts_with(&format!("{command} ")));
            assert!(line.is_some_and(|line| line.trim().len() > command.len() + 10), "{words:?}: {said}");
        }
    }
}

#[test]
fn a_busy_port_is_a_sentence() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    refused(&["worker", "--port", &port], &[&format!("port {port}"), "cannot be used", "--port"]);
}

#[test]
fn a_bad_setting_is_a_sentence() {
    for (setting, says) in [
        ("HEARTBEAT_SECS=0", &["HEARTBEAT_SECS", "1 to 60"][..]),
        ("STOCK_SOURCE=real", &["STOCK_SOURCE", "simulated, published"]),
        ("ANONYMOUS=everything", &["ANONYMOUS", "subscribe"]),
        ("HEARTBEAT_SECONDS=5", &["HEARTBEAT_SECONDS is not a setting", "HEARTBEAT_SECS"]),
        ("heartbeat_secs=5", &["heartbeat_secs", "upper-case"]),
        ("HEARTBEAT_SECS", &["NAME=VALUE"]),
    ] {
        refused(&["worker", "--port", "0", "--var", setting], says);
    }
}

#[test]
fn a_bad_line_of_the_file_is_a_sentence() {
    let folder = Folder::new();
    let file = folder.path().join("vars");
    let path = file.to_str().unwrap();
    for (line, says) in [
        ("hunter2=hunter2", "a name in "),
        ("HUNTER=2", "is not a setting; the settings are ANONYMOUS"),
        ("AUTH_SECRET=hunter2", "AUTH_SECRET is bad: it must be at least 32 bytes"),
    ] {
        std::fs::write(&file, format!("# local\n{line}\n")).unwrap();
        refused(&["worker", "--port", "0", "--dev-vars", path], &[says]);
    }
}

#[test]
fn a_bad_argument_is_a_sentence() {
    refused(&["worker", "--port", "http"], &["--port"]);
    refused(&["moon"], &["moon", "worker"]);
    refused(&["worker", "--state", "/dev/null/x", "--port", "0"], &["/dev/null/x", "cannot be written"]);
}
