//! `cargo xtask dev lambda`.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic, and so may its helpers")]

use nix::sys::signal::Signal;
use ssedge_tests::dev::{Dev, edit, quotes, refused, run_line, vars};
use ssedge_tests::host::Folder;

#[tokio::test]
async fn the_lines_that_it_prints_work_and_history_outlives_it() {
    let state = Folder::new();
    let arguments = ["lambda", "--port", "0", "--state", state.path().to_str().unwrap()];
    let dev = Dev::start(&arguments);
    assert_eq!(dev.client().get("/healthz", &[]).await.json()["host"], "lambda");
    let first = dev.client().say("lobby", "hi").await;
    let lines: Vec<_> =
        dev.greeting.iter().map(|line| line.trim()).filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(lines.len(), 4, "{:?}", dev.greeting);
    for (line, expected) in lines.iter().zip([
        "\"type\":\"tick\"",
        "\"symbol\":\"ACME\"",
        "\"user\":\"ada\",\"text\":\"hi\"",
        "\"cursor\":\"0\"",
    ]) {
        let output = run_line(line, |output| output.contains(expected));
        assert!(output.starts_with("retry: "), "{line}: {output}");
    }
    refused(&arguments, &["another server", "--state"]);
    // Its processes are frozen or still serve those who left, and none of them stays behind.
    assert_eq!(dev.end_by(Signal::SIGINT).code(), Some(0));

    let dev = Dev::start(&arguments);
    assert_eq!(dev.client().say("lobby", "again").await, first + 1);
    let page = dev.client().get("/", &[]).await;
    assert!(page.status == 200 && page.text.starts_with("<!doctype html>"), "{page:?}");
    assert_eq!(dev.end_by(Signal::SIGTERM).code(), Some(0));
}

#[tokio::test]
async fn as_many_requests_are_open_as_it_says() {
    let state = Folder::new();
    let state = state.path().to_str().unwrap();
    let dev =
        Dev::start(&["lambda", "--port", "0", "--state", state, "--concurrency", "2", "--timeout", "60"]);
    let first = dev.client().open("/api/events", &[]).await;
    let second = dev.client().open("/api/stock", &[]).await;
    assert_eq!((first.status, second.status), (200, 200));
    assert_eq!(dev.client().get("/healthz", &[]).await.status, 429);
    dev.end_by(Signal::SIGTERM);
}

#[tokio::test]
async fn a_secret_is_in_no_list_of_processes() {
    vars::the_file_is_read_and_not_shown("lambda").await;
}

#[tokio::test]
async fn the_first_token_is_taken_by_the_server_that_runs() {
    vars::the_first_token_is_taken_by_the_server_that_runs("lambda").await;
}

#[tokio::test]
async fn a_token_that_was_minted_is_accepted() {
    vars::a_minted_token_is_accepted("lambda").await;
}

#[tokio::test]
async fn a_change_is_served_and_an_error_is_not() {
    edit::a_change_is_served_and_an_error_is_not("lambda").await;
}

#[tokio::test]
async fn a_file_of_quotes_is_published_and_read_back() {
    quotes::a_file_is_published_and_read_back("lambda").await;
}

#[test]
fn quotes_that_cannot_be_published_are_a_sentence() {
    quotes::what_cannot_work_is_a_sentence();
}

#[test]
fn a_bad_argument_is_a_sentence() {
    for (argument, value) in [("--concurrency", "0"), ("--concurrency", "1001"), ("--timeout", "901")] {
        refused(&["lambda", "--port", "0", argument, value], &[argument, "is not in"]);
    }
    refused(&["worker", "--port", "0", "--timeout", "60"], &["--timeout", "dev lambda"]);
    refused(&["lambda", "--port", "0", "--var", "TABLE_NAME=x"], &["TABLE_NAME", "3 to 255"]);
}
