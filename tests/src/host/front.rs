//! A front of a table: passes on what the function asks, counts it, and goes wrong when it is told to.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Table;

/// What DynamoDB answers above the throughput of a table or of one of its partitions: an error of its protocol, [AWS
/// JSON 1.0], by the name that the [list of errors] has.
///
/// [AWS JSON 1.0]: https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html#operation-error-serialization
/// [list of errors]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
const THROTTLED: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"The level of configured provisioned throughput for the table was exceeded."}"#;

/// A front. Operations have their DynamoDB names: `Query`, `PutItem`.
#[derive(Debug)]
pub struct Front {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    table: u16,
    orders: Mutex<Orders>,
    held: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Orders {
    asked: BTreeMap<String, usize>,
    orders: Vec<Order>,
}

/// What becomes of the next questions of this operation that have this text in them.
#[derive(Debug)]
struct Order {
    operation: String,
    text: String,
    fate: Fate,
    times: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Passed,
    Throttled,
    Swallowed,
}

impl Front {
    /// A front that does nothing but count.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start(table: &Table) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a machine has a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let shared = Arc::new(Shared {
            table: table.port(),
            orders: Mutex::default(),
            held: watch::Sender::new(false),
        });
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((function, _)) = listener.accept().await {
                let shared = serving.clone();
                // The function gives connections up as it pleases.
                tokio::spawn(async move { shared.serve(function).await.ok() });
            }
        });
        Self { port, shared }
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How often this operation was asked so far, whatever became of it.
    #[must_use]
    pub fn asked(&self, operation: &str) -> usize {
        self.shared.orders().asked.get(operation).copied().unwrap_or_default()
    }

    /// How many questions there were so far.
    #[must_use]
    pub fn questions(&self) -> usize {
        self.shared.orders().asked.values().sum()
    }

    /// Refuses the next `times` of this operation that have this text in them.
    pub fn throttle(&self, operation: &str, text: &str, times: usize) {
        self.order(operation, text, Fate::Throttled, times);
    }

    /// Passes the next of this operation on that has this text in it, and closes the connection in place of its
    /// answer.
    pub fn swallow(&self, operation: &str, text: &str) {
        self.order(operation, text, Fate::Swallowed, 1);
    }

    fn order(&self, operation: &str, text: &str, fate: Fate, times: usize) {
        let order = Order { operation: operation.to_owned(), text: text.to_owned(), fate, times };
        self.shared.orders().orders.push(order);
    }

    /// Whether all that it was told to do to questions is done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.shared.orders().orders.is_empty()
    }

    /// Passes on whatever comes.
    pub fn relent(&self) {
        self.shared.orders().orders.clear();
    }

    /// Keeps every question from now on.
    pub fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    /// Passes on what it kept.
    pub fn release(&self) {
        self.shared.held.send_replace(false);
    }
}

impl Shared {
    // What the lock guards is whole at any time.
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(&self, operation: &str, question: &[u8]) -> Fate {
        let mut orders = self.orders();
        *orders.asked.entry(operation.to_owned()).or_default() += 1;
        let question = String::from_utf8_lossy(question);
        let concerns = |order: &Order| order.operation == operation && question.contains(&order.text);
        let Some(index) = orders.orders.iter().position(concerns) else { return Fate::Passed };
        let order = &mut orders.orders[index];
        order.times -= 1;
        let (fate, times) = (order.fate, order.times);
        if times == 0 {
            orders.orders.remove(index);
        }
        fate
    }

    async fn serve(&self, function: TcpStream) -> io::Result<()> {
        let table = TcpStream::connect((Ipv4Addr::LOCALHOST, self.table)).await?;
        for connection in [&function, &table] {
            connection.set_nodelay(true)?;
        }
        let (mut function, mut table) = (BufReader::new(function), BufReader::new(table));
        let mut held = self.held.subscribe();
        loop {
            let (head, question) = message(&mut function).await?;
            let target = header(&head, "x-amz-target").unwrap_or_default();
            let operation = target.rsplit('.').next().unwrap_or_default();
            let fate = self.fate(operation, &question);
            // Its sender is owned by `self`.
            let _ = held.wait_for(|held| !held).await;
            if fate == Fate::Throttled {
                function.write_all(throttled().as_bytes()).await?;
                continue;
            }
            table.write_all(&question).await?;
            let (_, answer) = message(&mut table).await?;
            if fate == Fate::Swallowed {
                return Ok(());
            }
            function.write_all(&answer).await?;
        }
    }
}

fn throttled() -> String {
    let length = THROTTLED.len();
    let head = format!("Content-Type: application/x-amz-json-1.0\r\nContent-Length: {length}");
    format!("HTTP/1.1 400 Bad Request\r\n{head}\r\n\r\n{THROTTLED}")
}

/// The next message of HTTP/1.1: its head, and all of its bytes.
async fn message(from: &mut BufReader<TcpStream>) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if from.read_until(b'\n', &mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    // Neither the SDK nor the table sends chunks.
    let length = header(&head, "content-length").and_then(|length| length.parse().ok());
    let body = bytes.len();
    bytes.resize(body + length.unwrap_or(0), 0);
    from.read_exact(&mut bytes[body..]).await?;
    Ok((head, bytes))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = head.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
