//! The log in SQLite, by the statements that are deployed. It may crash between any two of them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, params_from_iter, types};
use ssedge::access::Rate;
use ssedge::hub::Opening;
use ssedge::log::{EndReason, Entry, EntryId, Kind, Page, Retention, Subscribe};
use ssedge::store::sql::{Appended, Channel, NewEntries, Sql, Value};
use ssedge::store::{Post, Receipt};
use ssedge::time::UnixMillis;

use super::history::Fact;
use super::object::{Crashed, ObjectLog};

/// One that no test exceeds, and whose buckets fill so slowly that they are stored.
const RATE: Rate = Rate::per_second(1_000, 20_000);
/// When an alarm that failed comes again.
const ALARM_RETRY: Duration = Duration::from_secs(2);

/// The storage of an object.
#[derive(Clone, Debug)]
pub struct Storage {
    connection: Rc<RefCell<Connection>>,
    /// How many statements there are until the crash, if there is to be one.
    left: Rc<Cell<Option<u32>>>,
}

/// An object with its storage.
#[derive(Debug)]
pub struct Sqlite {
    retention: Retention,
    storage: Storage,
    channel: Channel<Storage>,
    observed: EntryId,
    /// The reason, the time and what is there besides, as last observed.
    standing: Standing,
    was_deleted: Option<UnixMillis>,
    alarm: Option<UnixMillis>,
}

/// What is there besides the entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Standing {
    /// Why and when the channel has ended.
    end: Option<(String, u64)>,
    keep: Option<Duration>,
    /// How many rows of entries and of terms there are.
    rows: u64,
}

impl Default for Storage {
    fn default() -> Self {
        Self::new()
    }
}

impl Storage {
    /// An empty one.
    ///
    /// # Panics
    /// If there is no memory.
    #[must_use]
    pub fn new() -> Self {
        let connection = Connection::open_in_memory().expect("memory is there");
        Self { connection: Rc::new(RefCell::new(connection)), left: Rc::default() }
    }

    /// Deletes all of it.
    ///
    /// # Panics
    /// If there is no memory.
    pub fn clear(&self) {
        *self.connection.borrow_mut() = Connection::open_in_memory().expect("memory is there");
    }

    /// All that is in it, table by table.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn dump(&self) -> String {
        let connection = self.connection.borrow();
        let list = |query: &str| {
            let mut statement = connection.prepare(query).expect("a query");
            let columns = statement.column_count();
            let row = |row: &rusqlite::Row<'_>| {
                (0..columns).map(|column| row.get_ref(column).map(|value| format!("{value:?}"))).collect()
            };
            let rows: Result<Vec<Vec<String>>, _> = statement.query_map([], row).and_then(Iterator::collect);
            rows.expect("rows")
        };
        let names = connection
            .prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            .and_then(|mut names| {
                names.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()
            });
        let rows = names.expect("names").into_iter().map(|name| {
            let rows = list(&format!("SELECT * FROM {name}"));
            format!("{name}: {rows:?}")
        });
        rows.collect::<Vec<_>>().join("\n")
    }

    /// It crashes before so many statements more, or not at all.
    pub fn crash_after(&self, statements: Option<u32>) {
        self.left.set(statements);
    }

    /// One more statement; nothing is done any more after a crash.
    fn step(&self) -> Result<(), Crashed> {
        match self.left.get() {
            Some(0) => Err(Crashed),
            left => {
                self.left.set(left.map(|left| left - 1));
                Ok(())
            }
        }
    }

    fn batch(&self, statements: &str) {
        self.connection.borrow().execute_batch(statements).expect("a statement of the test");
    }
}

/// As the platform binds it, whose numbers are those of JavaScript: a column makes an integer of it, and arithmetic does not.
#[expect(clippy::cast_precision_loss, reason = "it is at most 2^53 in size")]
fn bind(value: Value) -> types::Value {
    match value {
        Value::Null => types::Value::Null,
        Value::Integer(n) => types::Value::Real(n as f64),
        Value::Text(text) => types::Value::Text(text),
    }
}

fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => Value::Integer(n),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Real(_) | ValueRef::Blob(_) => panic!("nothing of that kind is stored"),
    }
}

impl Sql for Storage {
    type Failure = Crashed;

    fn rows(
        &self,
        query: &str,
        bindings: Vec<Value>,
    ) -> Result<impl Iterator<Item = Result<Vec<Value>, Crashed>>, Crashed> {
        self.step()?;
        let connection = self.connection.borrow();
        let mut statement = connection.prepare_cached(query).unwrap_or_else(|e| panic!("{query}: {e}"));
        let columns = statement.column_count();
        let bindings = params_from_iter(bindings.into_iter().map(bind));
        let rows = statement.query_map(bindings, |row| {
            (0..columns).map(|column| row.get_ref(column).map(read)).collect::<Result<Vec<_>, _>>()
        });
        let rows: Result<Vec<_>, _> = rows.and_then(Iterator::collect);
        Ok(rows.unwrap_or_else(|e| panic!("{query}: {e}")).into_iter().map(Ok))
    }

    fn run(&self, statement: &str, bindings: Vec<Value>) -> Result<u64, Crashed> {
        self.step()?;
        let connection = self.connection.borrow();
        let (mut batch, mut written) = (Batch::new(&connection, statement), 0);
        while let Some(mut one) = batch.next().unwrap_or_else(|e| panic!("{statement}: {e}")) {
            let bindings = params_from_iter(bindings.iter().cloned().map(bind));
            written += one.execute(bindings).unwrap_or_else(|e| panic!("{statement}: {e}"));
        }
        // Outside of a transaction it is written, and may crash before anybody is told.
        if connection.is_autocommit() {
            self.step()?;
        }
        Ok(written as u64)
    }

    /// It may crash before the commit, and after it, before anybody is told.
    fn transaction<T>(&self, writes: impl FnOnce() -> Result<T, Crashed>) -> Result<T, Crashed> {
        self.batch("BEGIN");
        let written = writes().and_then(|written| self.step().map(|()| written));
        self.batch(if written.is_ok() { "COMMIT" } else { "ROLLBACK" });
        let written = written?;
        self.step().map(|()| written)
    }

    fn malformed(row: &'static str) -> Crashed {
        panic!("a row is not as it was written: {row}")
    }
}

impl Sqlite {
    /// An empty one.
    pub fn new(retention: Retention) -> Self {
        let storage = Storage::new();
        let channel = Channel::new(storage.clone(), retention, RATE);
        Self {
            retention,
            storage,
            channel,
            observed: EntryId::BEGINNING,
            standing: Standing::default(),
            was_deleted: None,
            alarm: None,
        }
    }

    fn standing(&self) -> Standing {
        let connection = self.storage.connection.borrow();
        let count = |table| {
            let query = format!("SELECT count(*) FROM {table}");
            connection.query_row(&query, [], |row| row.get::<_, i64>(0)).unwrap_or(0).cast_unsigned()
        };
        let rows = count("entries") + count("terms");
        let terms = connection.query_row("SELECT ended, ended_at, keep FROM terms", [], |row| {
            let number =
                |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(i64::cast_unsigned));
            let end = row.get::<_, Option<String>>(0)?.zip(number(1)?);
            Ok((end, number(2)?.map(Duration::from_millis)))
        });
        // Before the first terms there is no table.
        let (end, keep) = terms.unwrap_or_default();
        Standing { end, keep, rows }
    }

    /// The entries that were not there when it was last asked.
    fn new_entries(&mut self, keep: Option<Duration>) -> Vec<Fact> {
        let connection = self.storage.connection.borrow();
        let query = "SELECT id, time, key, body, count, (SELECT first FROM run) FROM entries WHERE id > ?1";
        // Before the first entry there is no table.
        let Ok(mut statement) = connection.prepare_cached(query) else { return Vec::new() };
        let rows = statement.query_map([self.observed.get()], |row| {
            let id = |column| Ok::<_, rusqlite::Error>(EntryId::new(row.get(column)?).expect("an id"));
            let (id, time, run) = (id(0)?, UnixMillis(row.get(1)?), id(5)?);
            let (key, body): (Option<String>, String) = (row.get(2)?, row.get(3)?);
            let list = match row.get::<_, Option<u64>>(4)? {
                None => vec![(Kind::Object, key, body)],
                Some(count) => {
                    let list: Vec<(Option<String>, Option<String>, String)> =
                        serde_json::from_str(&body).expect("a list of entries");
                    assert_eq!(list.len() as u64, count, "{body}");
                    list.into_iter().map(|(_, key, body)| (Kind::Data, key, body)).collect()
                }
            };
            let ids = std::iter::successors(Some(id), |id| Some(id.next()));
            let entry = |(id, (kind, key, body))| Entry { id, time, event: None, key, kind, body };
            Ok(ids.zip(list).map(|one| Fact::Stored(entry(one), run, keep)).collect::<Vec<_>>())
        });
        let new: Vec<Vec<_>> = rows.and_then(Iterator::collect).expect("rows of entries");
        let new: Vec<_> = new.into_iter().flatten().collect();
        if let Some(Fact::Stored(entry, ..)) = new.last() {
            self.observed = entry.id;
        }
        new
    }

    fn due_by(&mut self, at: UnixMillis) {
        self.alarm = Some(self.alarm.map_or(at, |due| due.min(at)));
    }
}

impl ObjectLog for Sqlite {
    fn append(&mut self, post: &Post, now: UnixMillis) -> Result<(Receipt, Option<NewEntries>), Crashed> {
        let appended = self.channel.append(post, None, now);
        // The platform keeps the alarm together with what was written.
        let spans = [Some(self.retention.age), post.terms.keep, post.terms.lease];
        self.due_by(now + spans.into_iter().flatten().min().expect("there is one"));
        let Appended { receipt, new, due_at } = appended?;
        if let Some(due_at) = due_at {
            self.due_by(due_at);
        }
        Ok((receipt, new))
    }

    fn settle(&mut self, now: UnixMillis) -> Result<Option<NewEntries>, Crashed> {
        self.channel.settle(now)
    }

    fn delete(&mut self, now: UnixMillis) -> Result<Option<NewEntries>, Crashed> {
        let before = self.standing();
        let deleted = self.channel.delete(now);
        // Readers are told of it, too, if all of it has expired and is freed.
        let is_told = deleted.as_ref().is_ok_and(Option::is_some);
        self.was_deleted = (is_told || self.standing() != before).then_some(now);
        deleted
    }

    fn observe(&mut self) -> Vec<Fact> {
        let standing = self.standing();
        let mut facts = self.new_entries(standing.keep);
        let is_new = standing.end.is_some() && standing.end != self.standing.end;
        if let Some((reason, at)) = standing.end.as_ref().filter(|_| is_new) {
            let reason = EndReason::new(reason).expect("a reason");
            let end = Entry::end_at(self.observed.next(), UnixMillis(*at), &reason);
            facts.push(Fact::Stored(end, EntryId::BEGINNING, standing.keep));
        }
        self.standing = standing;
        facts.extend(self.was_deleted.take().map(Fact::Deleted));
        facts
    }

    fn open(&mut self, after: Option<EntryId>, now: UnixMillis) -> Result<Opening, Crashed> {
        self.channel.open(after, now)
    }

    fn page(&mut self, subscribe: &Subscribe, now: UnixMillis) -> Result<Page<Bytes>, Crashed> {
        self.channel.page(subscribe, now)
    }

    fn free(&mut self, is_read: bool, now: UnixMillis) -> Result<bool, Crashed> {
        self.alarm = Some(now + ALARM_RETRY);
        self.alarm = self.channel.free(is_read, now)?;
        if self.alarm.is_none() {
            self.storage.clear();
            self.channel.forget();
        }
        Ok(self.alarm.is_none() && self.observed > EntryId::BEGINNING)
    }

    fn next_alarm(&self) -> Option<UnixMillis> {
        self.alarm
    }

    fn crash_after(&mut self, statements: u32) -> bool {
        self.storage.crash_after(Some(statements));
        true
    }

    fn restart(&mut self) {
        self.storage.crash_after(None);
        self.channel = Channel::new(self.storage.clone(), self.retention, RATE);
    }
}
