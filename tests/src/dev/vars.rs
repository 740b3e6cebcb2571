//! What becomes of `.dev.vars`, on either host.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::client::{Client, PATIENCE};
use crate::dev::{Dev, Minted, token};
use crate::host::Folder;

/// A server whose settings are in `.dev.vars` of this folder, which also keeps its state.
fn start(host: &str, folder: &Folder, more: &[&str]) -> Dev {
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (state, file) = (path("state"), path(".dev.vars"));
    Dev::start(&[&[host, "--port", "0", "--state", &state, "--dev-vars", &file], more].concat())
}

/// The settings of the file hold, but for those of `--var`, and no list of processes shows any of them.
pub async fn the_file_is_read_and_not_shown(host: &str) {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let folder = Folder::new();
    let lines =
        format!("# local\nAUTH_SECRET='{SECRET}'\nANONYMOUS=\"subscribe *\" # to read\nHEARTBEAT_SECS=60\n");
    fs::write(folder.path().join(".dev.vars"), lines).unwrap();
    let dev = start(host, &folder, &["--var", "HEARTBEAT_SECS=1"]);

    let said = dev.client().post_json("/api/chat", r#"{"user":"ada","text":"hi"}"#).await;
    assert_eq!(said.status, 403, "ANONYMOUS is that of the file: {said:?}");
    let mut reader = dev.client().open("/api/chat", &[]).await;
    reader.message().await;
    assert!(reader.next(PATIENCE).await.is_ok(), "HEARTBEAT_SECS is that of --var");

    let listed = dev.arguments();
    assert!(listed.lines().count() > 2 && listed.contains("--dev-vars"), "this is no list: {listed}");
    for value in [SECRET, "subscribe *"] {
        assert!(!listed.contains(value), "{value} is in the list: {listed}");
    }
}

/// The first start makes the key of tokens, so the first token is taken by the server that runs already. Whoever gives a
/// key, in whatever way, keeps it.
pub async fn the_first_token_is_taken_by_the_server_that_runs(host: &str) {
    let folder = Folder::new();
    let file = folder.path().join(".dev.vars");
    fs::write(&file, "# mine\nHEARTBEAT_SECS=60\n").unwrap();
    let dev = start(host, &folder, &[]);
    let made = fs::read_to_string(&file).unwrap();
    let key = made
        .strip_prefix("# mine\nHEARTBEAT_SECS=60\nAUTH_SECRET=")
        .expect("the file has a key behind its lines");
    assert!(key.trim_end().len() >= 32, "{made}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let ada = token(&file, &["--sub", "ada", "--publish", "*"]);
    assert!(!ada.said.contains("new one"), "{ada:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), made);
    let order = r#"{"topic":"orders","data":1}"#;
    check_post(&dev.client(), "/api/events", Some(&ada), order, 201).await;
    drop(dev);

    for (given, more) in [
        (made.clone(), &[][..]),
        (String::new(), &["--var", "AUTH_SECRET=0123456789abcdef0123456789abcdef"]),
        ("LOG_LEVEL=info\n".to_owned(), &["--var", "AUTH_SECRET="]),
    ] {
        fs::write(&file, &given).unwrap();
        drop(start(host, &folder, more));
        assert_eq!(fs::read_to_string(&file).unwrap(), given, "{more:?}");
    }
}

/// A server takes the tokens that are minted beside it, before and after its start, for what they say.
pub async fn a_minted_token_is_accepted(host: &str) {
    let folder = Folder::new();
    let file = folder.path().join(".dev.vars");
    let publisher = token(&file, &["--publish", "events/orders"]);
    assert!(publisher.said.contains("has a new one"), "{publisher:?}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read_to_string(&file).unwrap();
    let dev = start(host, &folder, &[]);
    let ada =
        token(&file, &["--sub", "ada", "--publish", "chat/*", "--subscribe", "chat/lobby", "--for", "15m"]);
    assert!(!ada.said.contains("new one"), "{ada:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), before);

    let client = dev.client();
    let order = r#"{"topic":"orders","data":{"id":7}}"#;
    check_post(&client, "/api/events", Some(&publisher), order, 201).await;
    check_post(&client, "/api/events", Some(&publisher), r#"{"topic":"news","data":1}"#, 403).await;
    check_post(&client, "/api/events", Some(&ada), order, 403).await;
    check_post(&client, "/api/events", None, order, 403).await;
    let said = check_post(&client, "/api/chat", Some(&ada), r#"{"text":"hi"}"#, 201).await;
    assert_eq!(said["user"], "ada", "{said}");
    for (path, status) in [("/api/chat/lobby", 200), ("/api/chat/attic", 403)] {
        let stream = client.open(&format!("{path}?access_token={}", ada.token), &[]).await;
        assert_eq!(stream.status, status, "{path}");
    }
}

async fn check_post(
    client: &Client,
    path: &str,
    token: Option<&Minted>,
    body: &str,
    status: u16,
) -> serde_json::Value {
    let bearer = token.map(|minted| format!("Bearer {}", minted.token));
    let mut headers = vec![("Content-Type", "application/json")];
    headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
    let answer = client.post(path, &headers, body).await;
    assert_eq!(answer.status, status, "{body} to {path} by {token:?}: {answer:?}");
    answer.json()
}
