//! What the log asks of an SQLite.

use crate::log::EntryId;

/// An SQLite that nobody else writes to.
///
/// Statements have numbered parameters (`?1`), and may be several with `;` between them if they have none.
pub trait Sql {
    /// What went wrong.
    type Failure;

    /// What a query finds, row by row, with the values in the order of its columns.
    ///
    /// # Errors
    /// [`Self::Failure`].
    fn rows(
        &self,
        query: &str,
        bindings: Vec<Value>,
    ) -> Result<impl Iterator<Item = Result<Vec<Value>, Self::Failure>>, Self::Failure>;

    /// Runs a statement, and says how many rows it has written or deleted.
    ///
    /// # Errors
    /// [`Self::Failure`].
    fn run(&self, statement: &str, bindings: Vec<Value>) -> Result<u64, Self::Failure>;

    /// Makes all of these writes, or none if one fails.
    ///
    /// # Errors
    /// What `writes` failed by, or [`Self::Failure`].
    fn transaction<T>(&self, writes: impl FnOnce() -> Result<T, Self::Failure>) -> Result<T, Self::Failure>;

    /// A row is not as it was written.
    fn malformed(row: &'static str) -> Self::Failure;
}

/// A value of SQLite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// None.
    Null,
    /// At most 2^53 in size, as JavaScript has it. A statement is bound to it as a real number, until a column or a `CAST`
    /// makes an integer of it.
    Integer(i64),
    /// Unicode.
    Text(String),
}

impl From<u64> for Value {
    #[expect(clippy::cast_possible_wrap, reason = "ids and times are below 2^53")]
    fn from(n: u64) -> Self {
        Self::Integer(n as i64)
    }
}

impl From<EntryId> for Value {
    fn from(id: EntryId) -> Self {
        id.get().into()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::from)
    }
}

impl Value {
    /// The number, if it is one and not negative.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Integer(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The id, if it is one.
    pub(super) fn id(&self) -> Option<EntryId> {
        EntryId::new(self.number()?).ok()
    }

    /// The text, if it is one.
    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text, or that there is none; `None` if it is something else.
    pub(super) fn optional_text(self) -> Option<Option<String>> {
        match self {
            Self::Null => Some(None),
            Self::Text(text) => Some(Some(text)),
            Self::Integer(_) => None,
        }
    }
}

/// The first row of a query, as `read` reads it.
pub(super) fn first<S: Sql, T, const COLUMNS: usize>(
    sql: &S,
    query: &'static str,
    bindings: Vec<Value>,
    read: impl FnOnce([Value; COLUMNS]) -> Option<T>,
) -> Result<Option<T>, S::Failure> {
    let Some(row) = sql.rows(query, bindings)?.next().transpose()? else { return Ok(None) };
    let read = <[Value; COLUMNS]>::try_from(row).ok().and_then(read);
    read.map(Some).ok_or_else(|| S::malformed(query))
}

/// The only number of the first row of a query.
pub(super) fn number<S: Sql>(
    sql: &S,
    query: &'static str,
    bindings: Vec<Value>,
) -> Result<Option<u64>, S::Failure> {
    first(sql, query, bindings, |[n]| n.number())
}
