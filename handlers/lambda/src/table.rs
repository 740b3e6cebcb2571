//! The DynamoDB table, by its SDK: the questions that the log of [`ssedge::store::table`] asks.

use std::error::Error;
use std::ops::RangeInclusive;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, SharedCredentialsProvider};
use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{self, TransactWriteItem};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use ssedge::limits::QUERY_ENTRIES;
use ssedge::log::{ChannelName, EntryId};
use ssedge::settings::TableSettings;
use ssedge::store::table::{Append, Counter, Found, Order, Put, Remember, Remembered, Table};
use ssedge::time::UnixMillis;

use crate::attributes::{
    self, Attributes, CHANNEL, EXPIRES, FROM, ID, LEASE, RENEWED, TIME, VALUE, expiry, named, number, text,
};
use crate::failure::Failure;
use crate::host;

/// A question takes some milliseconds. One that takes longer than this was lost, and is asked again.
const ATTEMPT: Duration = Duration::from_millis(1_000);
/// With its pauses, the longest time before a caller is told that the table is not available.
const OPERATION: Duration = Duration::from_millis(3_500);
const ATTEMPTS: u32 = 3;
/// Before the second attempt: any pause up to this, then up to twice this.
const PAUSE: Duration = Duration::from_millis(50);
/// The codes of a cancelled transaction if the table is well and the condition of an item is not, or another write of it
/// is under way.
const REFUSALS: [&str; 3] = ["None", "ConditionalCheckFailed", "TransactionConflict"];

pub struct Dynamo {
    client: Client,
    name: String,
}

impl Dynamo {
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

    /// Makes both writes or none.
    async fn transact(
        &self,
        item: Attributes,
        remember: &Remember,
        expires: UnixMillis,
    ) -> Result<Put, Failure> {
        let item = self.write(item).condition_expression("attribute_not_exists(#id)");
        let item = item.expression_attribute_names("#id", ID);
        let Remember { name, row, before } = remember;
        let row = self.write(attributes::of_remembered(name, *row, expires));
        let row = row.expression_attribute_names("#from", FROM);
        let row = match before {
            None => row.condition_expression("attribute_not_exists(#from)"),
            Some(before) => row
                .condition_expression("#from = :before")
                .expression_attribute_values(":before", number(before.get())),
        };
        let puts =
            [item, row].into_iter().map(|put| Ok(TransactWriteItem::builder().put(put.build()?).build()));
        let puts = puts.collect::<Result<Vec<_>, BuildError>>().map_err(|e| Failure::new(e.to_string()))?;
        let sent = self.client.transact_write_items().set_transact_items(Some(puts)).send().await;
        outcome("transaction", sent, |e| match e {
            TransactWriteItemsError::TransactionCanceledException(e) => {
                let mut codes = e.cancellation_reasons().iter().filter_map(|reason| reason.code());
                codes.all(|code| REFUSALS.contains(&code))
            }
            _ => false,
        })
    }

    fn write(&self, item: Attributes) -> PutBuilder {
        types::Put::builder().table_name(&self.name).set_item(Some(item))
    }

    /// The only item of this name.
    async fn only(&self, name: &str) -> Result<Option<Attributes>, Failure> {
        let query = self.client.query().table_name(&self.name).consistent_read(true).limit(1);
        let query = query.key_condition_expression("#channel = :channel");
        let query = query.expression_attribute_names("#channel", CHANNEL);
        let query = query.expression_attribute_values(":channel", text(name));
        let found = query.send().await.map_err(|e| Failure::asking("query", &e))?;
        Ok(found.items.unwrap_or_default().pop())
    }
}

impl Table for Dynamo {
    type Failure = Failure;

    async fn query(
        &self,
        channel: &ChannelName,
        order: Order,
        limit: u32,
        from: Option<EntryId>,
    ) -> Result<Found, Failure> {
        let channel = text(channel.as_str());
        let (ascending, condition, bound, younger) = match order {
            Order::After(id) => (true, "#channel = :channel AND #id > :id", id, None),
            Order::Newest => (false, "#channel = :channel AND #id > :id", EntryId::BEGINNING, None),
            Order::UpTo(id) => (false, "#channel = :channel AND #id <= :id", id, None),
            Order::Kept(id, than) => (true, "#channel = :channel AND #id > :id", id, Some(than)),
        };
        let mut query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .scan_index_forward(ascending)
            .limit(limit.min(QUERY_ENTRIES).cast_signed())
            .key_condition_expression(condition)
            .expression_attribute_names("#channel", CHANNEL)
            .expression_attribute_names("#id", ID)
            .expression_attribute_values(":channel", channel.clone())
            .expression_attribute_values(":id", number(bound.get()));
        if let Some(than) = younger {
            query = query.filter_expression("#time > :than").expression_attribute_names("#time", TIME);
            query = query.expression_attribute_values(":than", number(than.0));
        }
        if let Some(from) = from {
            query = query.exclusive_start_key(CHANNEL, channel).exclusive_start_key(ID, number(from.get()));
        }
        let page = query.send().await.map_err(|e| Failure::asking("query", &e))?;
        let items = page.items().iter().map(attributes::item).collect::<Option<_>>();
        let next = page.last_evaluated_key().map(|key| {
            let id = key.get(ID)?.as_n().ok()?.parse().ok()?;
            EntryId::new(id).ok()
        });
        let malformed = Failure::malformed;
        let next = next.map(|id| id.ok_or_else(malformed)).transpose()?;
        Ok(Found { items: items.ok_or_else(malformed)?, next })
    }

    async fn append(&self, channel: &ChannelName, append: &Append<'_>) -> Result<Put, Failure> {
        let item = attributes::of_item(channel, append.item, append.expires);
        if let Some(remember) = append.remember {
            return self.transact(item, remember, append.expires).await;
        }
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item));
        let put = put.condition_expression("attribute_not_exists(#id)").expression_attribute_names("#id", ID);
        outcome("put", put.send().await, is_put_refused)
    }

    async fn renew(
        &self,
        channel: &ChannelName,
        id: EntryId,
        lease: Duration,
        renewed: UnixMillis,
    ) -> Result<Put, Failure> {
        let key = named([(CHANNEL, text(channel.as_str())), (ID, number(id.get()))]);
        let update = self.client.update_item().table_name(&self.name).set_key(Some(key));
        let update = update.update_expression("SET #lease = :lease, #renewed = :renewed");
        let update = update.condition_expression("attribute_exists(#id)");
        let names = [("#id", ID), ("#lease", LEASE), ("#renewed", RENEWED)];
        let update = names
            .into_iter()
            .fold(update, |update, (short, name)| update.expression_attribute_names(short, name));
        let update = update.expression_attribute_values(":lease", attributes::millis(lease));
        let update = update.expression_attribute_values(":renewed", number(renewed.0));
        outcome("update", update.send().await, UpdateItemError::is_conditional_check_failed_exception)
    }

    async fn remembered(&self, name: &str) -> Result<Option<Remembered>, Failure> {
        let found = self.only(name).await?;
        found.map(|found| attributes::remembered(&found).ok_or_else(Failure::malformed)).transpose()
    }

    async fn counter(&self, name: &str) -> Result<Option<Counter>, Failure> {
        let found = self.only(name).await?;
        found.map(|found| attributes::counter(&found).ok_or_else(Failure::malformed)).transpose()
    }

    async fn put_counter(
        &self,
        name: &str,
        counter: Counter,
        unless_above: u64,
        expires: UnixMillis,
    ) -> Result<Put, Failure> {
        let put = self.client.put_item().table_name(&self.name);
        let put = put.set_item(Some(attributes::of_counter(name, counter, expires)));
        let put = put.condition_expression("attribute_not_exists(#value) OR #value <= :value");
        let put = put.expression_attribute_names("#value", VALUE);
        let put = put.expression_attribute_values(":value", number(unless_above));
        outcome("put", put.send().await, is_put_refused)
    }

    async fn add(
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
            (":expires", expiry(expires)),
        ];
        let update = self.client.update_item().table_name(&self.name).set_key(Some(attributes::key(name)));
        let update = update.update_expression("SET #expires = :expires ADD #value :by");
        let update = update.condition_expression("#value BETWEEN :low AND :high");
        let update = update.expression_attribute_names("#value", VALUE);
        let update = update.expression_attribute_names("#expires", EXPIRES);
        let sent = update.set_expression_attribute_values(Some(named(values))).send().await;
        outcome("update", sent, UpdateItemError::is_conditional_check_failed_exception)
    }

    fn now(&self) -> UnixMillis {
        host::now()
    }

    fn draw(&self) -> u64 {
        host::draw()
    }

    async fn pause(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

fn is_put_refused(e: &PutItemError) -> bool {
    e.is_conditional_check_failed_exception() || e.is_transaction_conflict_exception()
}

/// What came of a write with a condition, of which `is_refused` says that it was not made.
fn outcome<T, E: Error + 'static>(
    what: &str,
    sent: Result<T, SdkError<E>>,
    is_refused: impl FnOnce(&E) -> bool,
) -> Result<Put, Failure> {
    match sent {
        Ok(_) => Ok(Put::Stored),
        Err(e) if e.as_service_error().is_some_and(is_refused) => Ok(Put::Refused),
        Err(e) => Err(Failure::asking(what, &e)),
    }
}
