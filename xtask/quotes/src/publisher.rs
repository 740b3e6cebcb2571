//! The posts, in their order.

use std::fmt::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Error, Result, bail};
use serde::Deserialize;
use ssedge::limits;
use ureq::http::{Response, header};
use ureq::{Agent, Body};

use crate::lines::Line;

/// Quotes that go in one request. The API takes one; if it takes more one day, this and [`body`] are what changes.
pub const QUOTES_PER_REQUEST: usize = 1;
/// How long an answer may take. A host that cannot store a quote in time answers 503 sooner.
const ANSWER: Duration = Duration::from_secs(30);
/// The pause before another try when nobody says how long it should be.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a quote is tried again. It ends before the host forgets the key, so that no quote is stored twice.
const PATIENCE: Duration = Duration::from_secs(300);
const _: () = assert!(PATIENCE.as_secs() + ANSWER.as_secs() < limits::IDEMPOTENCY_WINDOW.as_secs());
/// Bytes that are read of a refusal, many times what a problem has.
const REFUSAL_BYTES: u64 = 16 * 1024;
/// Characters that are shown of an answer that is not a problem.
const SHOWN_CHARS: usize = 200;

/// Publishes to one deployment.
pub struct Publisher {
    agent: Agent,
    url: String,
    authorization: String,
    /// What the keys of this run begin with.
    run: String,
    /// Whether the deployment has answered before. Until then, no answer means that there is none at this address.
    has_answered: bool,
}

/// What a refusal says (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    detail: String,
    field: Option<String>,
}

impl Publisher {
    /// To the deployment at this URL, in the name of the holder of this token.
    pub fn new(url: &str, token: &str) -> Self {
        let config = Agent::config_builder().timeout_global(Some(ANSWER)).http_status_as_error(false);
        // A redirect is a refusal: the token is for this deployment alone.
        let config = config.max_redirects(0).max_redirects_will_error(false);
        Self {
            agent: config.build().into(),
            url: format!("{}/api/stock", url.trim_end_matches('/')),
            authorization: format!("Bearer {token}"),
            run: format!("{:032x}", fastrand::u128(..)),
            has_answered: false,
        }
    }

    /// Publishes them in one request, which is sent again while the deployment asks for that. It carries a key, so the
    /// quotes are stored once, however often it is sent.
    ///
    /// # Errors
    /// When they are refused, with the line and the reason; or when the deployment is not there.
    pub fn publish(&mut self, lines: &[Line]) -> Result<()> {
        let Some(first) = lines.first() else { return Ok(()) };
        let (body, key) = (body(lines)?, format!("{}-{}", self.run, first.number));
        let begun = Instant::now();
        loop {
            let (pause, why) = match self.post(&key, &body) {
                Ok(answer) if matches!(answer.status().as_u16(), 200 | 201) => {
                    self.has_answered = true;
                    return Ok(());
                }
                Ok(answer) if matches!(answer.status().as_u16(), 429 | 503) => {
                    self.has_answered = true;
                    (retry_after(&answer).unwrap_or(PAUSE), format!("the answer was {}", answer.status()))
                }
                Ok(answer) => return Err(refusal(first.number, answer)),
                Err(error) if self.has_answered => (PAUSE, format!("there was no answer: {error}")),
                Err(error) => bail!("nobody answers at {}: {error}", self.url),
            };
            if begun.elapsed() + pause > PATIENCE {
                let number = first.number;
                bail!("line {number}: {why}, and not another one within {} s", PATIENCE.as_secs());
            }
            sleep(pause);
        }
    }

    fn post(&self, key: &str, body: &str) -> Result<Response<Body>, ureq::Error> {
        let post = self.agent.post(&self.url).header(header::AUTHORIZATION, &self.authorization);
        post.header(header::CONTENT_TYPE, "application/json").header("Idempotency-Key", key).send(body)
    }
}

/// What is posted: the one quote that a request has.
fn body(lines: &[Line]) -> Result<String> {
    let [line] = lines else { bail!("a request has {QUOTES_PER_REQUEST} quote") };
    Ok(serde_json::to_string(&line.quote)?)
}

/// The seconds that the deployment asks to wait.
fn retry_after(answer: &Response<Body>) -> Option<Duration> {
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The line, the field, and what the deployment says of it.
fn refusal(number: u64, mut answer: Response<Body>) -> Error {
    let text = answer.body_mut().with_config().limit(REFUSAL_BYTES).read_to_string().unwrap_or_default();
    let mut said = format!("line {number}");
    let _ = match serde_json::from_str::<Problem>(&text) {
        // The detail begins with the name of the field.
        Ok(Problem { detail, field: Some(field) }) if detail.starts_with(&field) => {
            write!(said, ", {detail}")
        }
        Ok(Problem { detail, .. }) => write!(said, ": {detail}"),
        Err(_) => write!(said, ": {}", text.trim().chars().take(SHOWN_CHARS).collect::<String>()),
    };
    Error::msg(format!("{said} ({})", answer.status()))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::lines::Lines;

    /// A deployment that gives these answers, one for each request, and hangs up for an empty one. Answers what it was asked: the
    /// key and the body.
    fn deployment(answers: &'static [&'static str]) -> (String, thread::JoinHandle<Vec<(String, String)>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = thread::spawn(move || {
            let answer = |answer: &&str| {
                let mut stream = BufReader::new(listener.accept().unwrap().0);
                let (mut key, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    stream.read_line(&mut line).unwrap();
                    let Some((name, value)) = line.trim().split_once(": ") else {
                        if line.trim().is_empty() {
                            break;
                        }
                        assert_eq!(line.trim(), "POST /api/stock HTTP/1.1");
                        continue;
                    };
                    match name.to_ascii_lowercase().as_str() {
                        "idempotency-key" => key = value.to_owned(),
                        "content-length" => length = value.parse().unwrap(),
                        "authorization" => assert_eq!(value, "Bearer t"),
                        _ => {}
                    }
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                if !answer.is_empty() {
                    let head = format!("HTTP/1.1 {answer}");
                    let (head, rest) = head.split_once("\n\n").unwrap_or((&head, ""));
                    let head = head.replace('\n', "\r\n");
                    let length = rest.len();
                    let connection = "Connection: close\r\nContent-Length";
                    write!(stream.get_mut(), "{head}\r\n{connection}: {length}\r\n\r\n{rest}").unwrap();
                }
                (key, String::from_utf8(body).unwrap())
            };
            answers.iter().map(answer).collect()
        });
        (url, asked)
    }

    /// What comes of publishing these quotes, each in a request: how many are published, and the error.
    fn publish(url: &str, quotes: &str) -> (usize, Option<String>) {
        let mut publisher = Publisher::new(url, "t");
        let mut published = 0;
        for line in Lines::new(quotes.as_bytes()) {
            if let Err(error) = publisher.publish(&[line.unwrap()]) {
                return (published, Some(error.to_string()));
            }
            published += 1;
        }
        (published, None)
    }

    #[test]
    fn what_is_not_stored_yet_is_sent_again_by_its_key_before_anything_else() {
        let (url, asked) = deployment(&[
            "503 Service Unavailable\nRetry-After: 0",
            "201 Created",
            "429 Too Many Requests\nRetry-After: 0",
            "",
            "200 OK\nIdempotent-Replayed: true",
            "201 Created",
        ]);
        assert_eq!(publish(&url, "A,1\nB,2.50\nA,3\n"), (3, None));
        let asked = asked.join().unwrap();
        let bodies: Vec<_> = asked.iter().map(|(_, body)| body.as_str()).collect();
        let [a, b, c] = ["A,1", "B,2.5", "A,3"].map(|quote| {
            let (symbol, price) = quote.split_once(',').unwrap();
            format!(r#"{{"symbol":"{symbol}","price":{price}}}"#)
        });
        assert_eq!(bodies, [&a, &a, &b, &b, &b, &c]);
        let keys: Vec<_> = asked.iter().map(|(key, _)| key.as_str()).collect();
        assert!(keys[0] == keys[1] && keys[2] == keys[3] && keys[3] == keys[4], "{keys:?}");
        assert!(keys[0] != keys[2] && keys[2] != keys[5] && keys[0] != keys[5], "{keys:?}");
        assert!(keys.iter().all(|key| key.len() <= limits::IDEMPOTENCY_KEY_CHARS), "{keys:?}");
        assert_ne!(Publisher::new("", "").run, Publisher::new("", "").run, "another run has other keys");
    }

    #[test]
    fn a_refusal_says_the_line_and_the_field() {
        for (answer, says) in [
            (
                "400 Bad Request\n\n{\"detail\":\"price: must be less\",\"field\":\"price\"}",
                "line 2, price: must be less (400 Bad Request)",
            ),
            (
                "403 Forbidden\n\n{\"detail\":\"it grants no more\"}",
                "line 2: it grants no more (403 Forbidden)",
            ),
            ("502 Bad Gateway\n\nInternal Server Error", "line 2: Internal Server Error (502 Bad Gateway)"),
            ("302 Found\nLocation: http://127.0.0.1:1/", "line 2:  (302 Found)"),
        ] {
            let answers = Vec::leak(vec!["201 Created", answer]);
            let (url, asked) = deployment(answers);
            assert_eq!(publish(&url, "A,1\nB,2\nA,3\n"), (1, Some(says.to_owned())));
            assert_eq!(asked.join().unwrap().len(), 2);
        }
    }

    #[test]
    fn who_asks_for_more_time_than_a_key_lives_is_not_waited_for() {
        let (url, _) = deployment(&["503 Service Unavailable\nRetry-After: 86400"]);
        let (published, error) = publish(&url, "A,1\n");
        let error = error.unwrap();
        assert!(published == 0 && error.starts_with("line 1: the answer was 503"), "{error}");
    }

    #[test]
    fn an_address_where_nobody_answers_is_told_at_once() {
        let (published, error) = publish("http://127.0.0.1:1", "A,1\n");
        let error = error.unwrap();
        assert!(
            published == 0 && error.starts_with("nobody answers at http://127.0.0.1:1/api/stock"),
            "{error}"
        );
    }
}
