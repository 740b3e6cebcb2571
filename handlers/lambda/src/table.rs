//! The DynamoDB table, as far as channels need it: items in order, and a put that never overwrites.

use std::error::Error;
use std::ops::RangeInclusive;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, SharedCredentialsProvider};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use ssedge::limits::{QUERY_ENTRIES, TABLE_GRACE};
use ssedge::log::{ChannelName, EntryId};
use ssedge::settings::TableSettings;
use ssedge::time::UnixMillis;

use crate::failure::Failure;
use crate::host;
use crate::item::{CHANNEL, EXPIRES, ID, Item, KEY, Note, TIME, VALUE, expiry, named, number, text};

/// A question takes some milliseconds. One that takes longer than this was lost, and is asked again.
const ATTEMPT: Duration = Duration::from_millis(1_000);
/// With its pauses, the longest time before a caller is told that the table is not available.
const OPERATION: Duration = Duration::from_millis(3_500);
const ATTEMPTS: u32 = 3;
/// Before the second attempt: any pause up to this, then up to twice this.
const PAUSE: Duration = Duration::from_millis(50);

/// What became of a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    Stored,
    /// There is an item of this id. It may be the very same, if an answer was lost.
    Taken,
}

/// Which items are asked for.
#[derive(Clone, Copy, Debug)]
pub enum Order<'a> {
    /// Oldest first, those after this id.
    After(EntryId),
    /// Newest first.
    Newest,
    /// Newest first, those with this key after this id that are younger than this.
    NewestOf(&'a str, EntryId, UnixMillis),
    /// Oldest first, those after this id that are younger than this.
    Kept(EntryId, UnixMillis),
}

/// Part of the answer to a question.
pub struct Found {
    pub items: Vec<Item>,
    /// Where the next part begins, if there is one.
    pub next: Option<EntryId>,
}

pub struct Table {
    client: Client,
    name: String,
}

impl Table {
    pub fn new(settings: &TableSettings) -> Self {
        let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
        let timeouts =
            TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).operation_timeout(OPERATION);
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(PAUSE);
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http.build_https())
            .timeout_config(timeouts.build())
            .retry_config(retries)
            .region(host::region());
        config.set_credentials_provider(host::credentials().map(SharedCredentialsProvider::new));
        config.set_endpoint_url(settings.endpoint.clone());
        Self { client: Client::from_conf(config.build()), name: settings.name.clone() }
    }

    /// Stores the item, unless there is one of its id. The table may free it after `expires`.
    pub async fn put(&self, channel: &ChannelName, item: &Item, expires: UnixMillis) -> Result<Put, Failure> {
        let put = self.client.put_item().set_item(Some(item.attributes(channel, expires)));
        self.send(put.condition_expression("attribute_not_exists(#id)").expression_attribute_names("#id", ID))
            .await
    }

    /// Stores the note, unless there is one whose value is above this.
    pub async fn put_note(&self, note: &Note, unless: u64, expires: UnixMillis) -> Result<Put, Failure> {
        let condition = "attribute_not_exists(#value) OR #value <= :value";
        let put = self.client.put_item().set_item(Some(note.attributes(expires + TABLE_GRACE)));
        let put = put.condition_expression(condition).expression_attribute_names("#value", VALUE);
        self.send(put.expression_attribute_values(":value", number(unless))).await
    }

    async fn send(&self, put: PutItemFluentBuilder) -> Result<Put, Failure> {
        let sent = put.table_name(&self.name).send().await;
        outcome("put", sent, PutItemError::is_conditional_check_failed_exception)
    }

    /// Adds to the value of the note, if that is within `range`.
    pub async fn move_note(
        &self,
        name: &str,
        by: i64,
        range: RangeInclusive<u64>,
        expires: UnixMillis,
    ) -> Result<Put, Failure> {
        let values = [
            (":by", number(by)),
            (":low", number(*range.start())),
            (":high", number(*range.end())),
            (":expires", expiry(expires + TABLE_GRACE)),
        ];
        let update = self.client.update_item().table_name(&self.name).set_key(Some(Note::key(name)));
        let update = update.update_expression("SET #expires = :expires ADD #value :by");
        let update = update.condition_expression("#value BETWEEN :low AND :high");
        let update = update.expression_attribute_names("#value", VALUE);
        let update = update.expression_attribute_names("#expires", EXPIRES);
        let sent = update.set_expression_attribute_values(Some(named(values))).send().await;
        outcome("update", sent, UpdateItemError::is_conditional_check_failed_exception)
    }

    /// The note of this name, as it is at this moment.
    pub async fn note(&self, name: &str) -> Result<Option<Note>, Failure> {
        let query = self.client.query().table_name(&self.name).consistent_read(true).limit(1);
        let query = query.key_condition_expression("#channel = :channel");
        let query = query.expression_attribute_names("#channel", CHANNEL);
        let query = query.expression_attribute_values(":channel", text(name));
        let found = query.send().await.map_err(|e| Failure::asking("query", &e))?;
        found.items().first().map(|note| Note::read(note).ok_or_else(Failure::malformed)).transpose()
    }

    /// Asks for at most `limit` items of a channel, as they are at this moment (a strongly consistent read). `from`
    /// is where the part before said that this one begins.
    pub async fn query(
        &self,
        channel: &ChannelName,
        order: Order<'_>,
        limit: u32,
        from: Option<EntryId>,
    ) -> Result<Found, Failure> {
        let channel = text(&channel.to_string());
        let (ascending, after) = match order {
            Order::After(id) | Order::Kept(id, _) => (true, id),
            Order::Newest => (false, EntryId::BEGINNING),
            Order::NewestOf(_, id, _) => (false, id),
        };
        let limit = limit.min(QUERY_ENTRIES).cast_signed();
        let mut query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .scan_index_forward(ascending)
            .limit(limit)
            .key_condition_expression("#channel = :channel AND #id > :after")
            .expression_attribute_names("#channel", CHANNEL)
            .expression_attribute_names("#id", ID)
            .expression_attribute_values(":channel", channel.clone())
            .expression_attribute_values(":after", number(after.get()));
        let (filter, key, younger) = match order {
            Order::After(_) | Order::Newest => (None, None, None),
            Order::NewestOf(key, _, than) => (Some("#time > :than AND #key = :key"), Some(key), Some(than)),
            Order::Kept(_, than) => (Some("#time > :than"), None, Some(than)),
        };
        query = query.set_filter_expression(filter.map(str::to_owned));
        if let Some(than) = younger {
            query = query.expression_attribute_names("#time", TIME);
            query = query.expression_attribute_values(":than", number(than.0));
        }
        if let Some(key) = key {
            query = query.expression_attribute_names("#key", KEY);
            query = query.expression_attribute_values(":key", text(key));
        }
        if let Some(from) = from {
            query = query.exclusive_start_key(CHANNEL, channel).exclusive_start_key(ID, number(from.get()));
        }
        let page = query.send().await.map_err(|e| Failure::asking("query", &e))?;
        let malformed = Failure::malformed;
        let items = page.items().iter().map(Item::read).collect::<Option<_>>().ok_or_else(malformed)?;
        let next = page.last_evaluated_key().map(|key| {
            let id = key.get(ID)?.as_n().ok()?.parse().ok()?;
            EntryId::new(id).ok()
        });
        Ok(Found { items, next: next.map(|id| id.ok_or_else(malformed)).transpose()? })
    }
}

/// What came of a write with a condition, of which `is_taken` says that it did not hold.
fn outcome<T, E: Error + 'static>(
    what: &str,
    sent: Result<T, SdkError<E>>,
    is_taken: impl FnOnce(&E) -> bool,
) -> Result<Put, Failure> {
    match sent {
        Ok(_) => Ok(Put::Stored),
        Err(e) if e.as_service_error().is_some_and(is_taken) => Ok(Put::Taken),
        Err(e) => Err(Failure::asking(what, &e)),
    }
}
