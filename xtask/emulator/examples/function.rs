//! A function for the emulator's tests. It speaks the Runtime API by hand, since no runtime would misbehave on request;
//! what it does is said by the path.

use std::env;
use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::TcpStream;
use std::process::exit;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use serde_json::{Value, json};

/// Goes up while the process runs.
static TICKS: AtomicU64 = AtomicU64::new(0);

fn main() -> Result<()> {
    match env::var("INIT").as_deref() {
        Ok("exit") => exit(3),
        Ok("error") => {
            let mut api = Api::connect()?;
            api.post("init/error", "", b"{\"errorMessage\":\"bad setting\"}")?;
            sleep(Duration::from_secs(60));
        }
        _ => {}
    }
    thread::spawn(|| {
        loop {
            sleep(Duration::from_millis(2));
            TICKS.fetch_add(1, Ordering::Relaxed);
        }
    });
    let share = env::var("AWS_LAMBDA_MAX_CONCURRENCY").ok().and_then(|share| share.parse().ok()).unwrap_or(1);
    let workers = (0..share).map(|_| thread::spawn(work)).collect::<Vec<_>>();
    for worker in workers {
        let _ = worker.join();
    }
    Ok(())
}

fn work() {
    // It fails when the emulator is gone.
    let _ = serve();
}

fn serve() -> Result<()> {
    let mut api = Api::connect()?;
    loop {
        let (id, deadline, event) = api.next()?;
        answer(&mut api, &id, deadline, &event)?;
    }
}

fn answer(api: &mut Api, id: &str, deadline: u64, event: &Value) -> Result<()> {
    let number = |name: &str| {
        let value = event["queryStringParameters"][name].as_str().and_then(|value| value.parse::<u64>().ok());
        value.unwrap_or_default()
    };
    let pause = Duration::from_millis(number("pause"));
    let report = |value: Value| json!({ "statusCode": 200, "body": value.to_string() }).to_string();
    let path = format!("invocation/{id}/response");
    // Of a function URL, or of a REST API.
    match event["rawPath"].as_str().or(event["path"].as_str()).unwrap_or_default() {
        "/stream" => {
            let mut stream = api.stream(&path)?;
            for count in 0..number("count") {
                stream.chunk(format!("{} {count}\n", std::process::id()).as_bytes())?;
                sleep(pause);
            }
            stream.end("")
        }
        "/bytes" => {
            let mut stream = api.stream(&path)?;
            let chunk = vec![b'a'; 1 << 20];
            for _ in 0..number("count") {
                stream.chunk(&chunk)?;
            }
            stream.end("")
        }
        "/exit" => {
            sleep(pause);
            if number("chunks") > 0 {
                api.stream(&path)?.chunk(b"last words\n")?;
            }
            exit(1)
        }
        "/trailers" => {
            let mut stream = api.stream(&path)?;
            stream.chunk(b"some\n")?;
            stream.end(
                "Lambda-Runtime-Function-Error-Type: Oops\r\nLambda-Runtime-Function-Error-Body: e30=\r\n",
            )
        }
        "/abort" => {
            api.stream(&path)?.chunk(b"some\n")?;
            *api = Api::connect()?;
            Ok(())
        }
        "/error" => api.post(&format!("invocation/{id}/error"), "", b"{\"errorMessage\":\"no\"}"),
        "/ticks" => api.post(&path, "", report(json!(TICKS.load(Ordering::Relaxed))).as_bytes()),
        "/deadline" => api.post(&path, "", report(json!(deadline)).as_bytes()),
        "/environment" => {
            let all = env::vars().collect::<std::collections::BTreeMap<_, _>>();
            api.post(&path, "", report(json!(all)).as_bytes())
        }
        "/json" => api.post(&path, "", b"{\"plain\":true}"),
        "/base64" => api.post(
            &path,
            "",
            br#"{"statusCode":201,"body":"/wA=","isBase64Encoded":true,"cookies":["a=1"]}"#,
        ),
        "/sleep" => {
            sleep(pause);
            api.post(&path, "", report(json!(std::process::id())).as_bytes())
        }
        _ => api.post(&path, "", report(event.clone()).as_bytes()),
    }
}

/// A connection to the Runtime API.
struct Api(BufReader<TcpStream>);

impl Api {
    fn connect() -> Result<Self> {
        let stream = TcpStream::connect(env::var("AWS_LAMBDA_RUNTIME_API").expect("Lambda sets this"))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    fn next(&mut self) -> Result<(String, u64, Value)> {
        self.send(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: api\r\n\r\n")?;
        let (head, body) = self.read()?;
        let header = |name: &str| {
            let line = head.iter().find_map(|line| line.split_once(": ").filter(|pair| pair.0 == name));
            line.expect("the API sends this header").1.to_owned()
        };
        let deadline = header("lambda-runtime-deadline-ms").parse().expect("a deadline is a number");
        let event = serde_json::from_slice(&body).expect("an event is JSON");
        Ok((header("lambda-runtime-aws-request-id"), deadline, event))
    }

    fn post(&mut self, path: &str, headers: &str, body: &[u8]) -> Result<()> {
        self.head(path, &format!("{headers}Content-Length: {}\r\n", body.len()))?;
        self.send(body)?;
        self.read().map(drop)
    }

    fn stream(&mut self, path: &str) -> Result<Streaming<'_>> {
        self.head(
            path,
            "Transfer-Encoding: chunked\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n\
             Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\
             Content-Type: application/vnd.awslambda.http-integration-response\r\n",
        )?;
        let mut stream = Streaming(self);
        stream.chunk(
            br#"{"statusCode":202,"headers":{"content-type":"text/plain","content-length":"1"},"cookies":["a=1"]}"#,
        )?;
        stream.chunk(b"\0\0\0\0")?;
        stream.chunk(b"\0\0\0\0")?;
        Ok(stream)
    }

    fn head(&mut self, path: &str, headers: &str) -> Result<()> {
        self.send(
            format!("POST /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: api\r\n{headers}\r\n").as_bytes(),
        )
    }

    /// The lines of the head, in lower case, and the body.
    fn read(&mut self) -> Result<(Vec<String>, Vec<u8>)> {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_ascii_lowercase()),
            }
        }
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.and_then(|length| length.parse().ok()).unwrap_or_default()];
        self.0.read_exact(&mut body)?;
        Ok((head, body))
    }
}

/// A chunked request that is not at its end.
struct Streaming<'a>(&'a mut Api);

impl Streaming<'_> {
    fn chunk(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.send(&[format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat())
    }

    fn end(self, trailers: &str) -> Result<()> {
        self.0.send(format!("0\r\n{trailers}\r\n").as_bytes())?;
        self.0.read().map(drop)
    }
}
