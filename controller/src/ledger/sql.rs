//! Statements with values, and rows of values: what the ledger needs of SQL,
//! in a form that does not depend on the database.

use std::str::FromStr;

use cofi_proto::{AgentName, BatchId, Digest, RecordingId};

use super::LedgerError;

/// A value that is bound to a statement or read from a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Blob(value.to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The columns of one row, in the order of the SELECT.
#[derive(Debug, Clone)]
pub(super) struct Row(pub(super) Vec<Value>);

impl Row {
    fn corrupt(&self, column: usize) -> LedgerError {
        LedgerError::Corrupt { column: format!("{column}"), value: format!("{:?}", self.0.get(column)) }
    }

    pub(super) fn int(&self, column: usize) -> Result<i64, LedgerError> {
        self.opt_int(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(super) fn opt_int(&self, column: usize) -> Result<Option<i64>, LedgerError> {
        match self.0.get(column) {
            Some(Value::Int(value)) => Ok(Some(*value)),
            Some(Value::Null) => Ok(None),
            Some(Value::Real(_) | Value::Text(_) | Value::Blob(_)) | None => Err(self.corrupt(column)),
        }
    }

    /// A count or a size: an integer that is not negative.
    pub(super) fn count(&self, column: usize) -> Result<u64, LedgerError> {
        u64::try_from(self.int(column)?).map_err(|_| self.corrupt(column))
    }

    pub(super) fn flag(&self, column: usize) -> Result<bool, LedgerError> {
        Ok(self.int(column)? != 0)
    }

    pub(super) fn opt_real(&self, column: usize) -> Result<Option<f64>, LedgerError> {
        match self.0.get(column) {
            Some(Value::Real(value)) => Ok(Some(*value)),
            // SQLite gives a whole number in a float column back as an integer.
            Some(Value::Int(value)) => {
                i32::try_from(*value).map(|value| Some(f64::from(value))).map_err(|_| self.corrupt(column))
            }
            Some(Value::Null) => Ok(None),
            Some(Value::Text(_) | Value::Blob(_)) | None => Err(self.corrupt(column)),
        }
    }

    pub(super) fn text(&self, column: usize) -> Result<String, LedgerError> {
        self.opt_text(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(super) fn opt_text(&self, column: usize) -> Result<Option<String>, LedgerError> {
        match self.0.get(column) {
            Some(Value::Text(value)) => Ok(Some(value.clone())),
            // Text that compares by its bytes comes from a server as bytes.
            Some(Value::Blob(value)) => {
                String::from_utf8(value.clone()).map(Some).map_err(|_| self.corrupt(column))
            }
            Some(Value::Null) => Ok(None),
            Some(Value::Int(_) | Value::Real(_)) | None => Err(self.corrupt(column)),
        }
    }

    pub(super) fn opt_blob(&self, column: usize) -> Result<Option<&[u8]>, LedgerError> {
        match self.0.get(column) {
            Some(Value::Blob(value)) => Ok(Some(value)),
            Some(Value::Null) => Ok(None),
            Some(Value::Int(_) | Value::Real(_) | Value::Text(_)) | None => Err(self.corrupt(column)),
        }
    }

    pub(super) fn blob(&self, column: usize) -> Result<Vec<u8>, LedgerError> {
        self.opt_blob(column)?.map(<[u8]>::to_vec).ok_or_else(|| self.corrupt(column))
    }

    /// So many bytes.
    pub(super) fn array<const BYTES: usize>(&self, column: usize) -> Result<[u8; BYTES], LedgerError> {
        self.opt_array(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(super) fn opt_array<const BYTES: usize>(
        &self,
        column: usize,
    ) -> Result<Option<[u8; BYTES]>, LedgerError> {
        let bytes = self.opt_blob(column)?.map(<[u8; BYTES]>::try_from).transpose();
        bytes.map_err(|_| self.corrupt(column))
    }

    /// A column whose text has the form of a type of its own.
    pub(super) fn parsed<T: FromStr>(&self, column: usize) -> Result<T, LedgerError> {
        self.text(column)?.parse().map_err(|_| self.corrupt(column))
    }

    pub(super) fn opt_digest(&self, column: usize) -> Result<Option<Digest>, LedgerError> {
        let digest = self.opt_blob(column)?.map(Digest::try_from).transpose();
        digest.map_err(|_| self.corrupt(column))
    }

    /// Words with commas between them, as the codes of candidates are kept.
    pub(super) fn list(&self, column: usize) -> Result<Vec<String>, LedgerError> {
        let words = self.text(column)?;
        Ok(words.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect())
    }

    /// A recording, by two columns: the first of them, and the one after it.
    pub(super) fn recording(&self, column: usize) -> Result<RecordingId, LedgerError> {
        Ok(RecordingId { batch: BatchId(self.int(column)?), ordinal: self.int(column + 1)? })
    }

    /// The name of an agent, kept by `table`.
    pub(super) fn agent(&self, column: usize, table: &str) -> Result<AgentName, LedgerError> {
        let name = self.text(column)?;
        name.parse().map_err(|_| LedgerError::Corrupt { column: format!("{table}.name"), value: name })
    }

    /// A column that holds one of a few fixed words.
    pub(super) fn word<T>(&self, column: usize) -> Result<T, LedgerError>
    where
        T: for<'a> TryFrom<&'a str>,
    {
        T::try_from(&self.text(column)?).map_err(|_| self.corrupt(column))
    }
}

/// A statement under construction. The text never holds data: values are
/// bound, so that the few texts there are stay prepared.
#[derive(Debug, Clone, Default)]
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) values: Vec<Value>,
    /// Whether it is about all recordings of a batch, and may take its time.
    pub(super) is_long: bool,
}

impl Statement {
    /// Begins with a comment that names the statement, so that the database's
    /// log can be read.
    pub(super) fn named(name: &str, text: &str) -> Self {
        Self { text: format!("/* {name} */ {text}"), values: Vec::new(), is_long: false }
    }

    /// It is about all recordings of a batch: it may take minutes.
    pub(super) fn long(mut self) -> Self {
        self.is_long = true;
        self
    }

    pub(super) fn push(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// The rows of an INSERT: `marks`, for example `(?, ?, 1)`, once for each
    /// item, whose values `bind` adds.
    pub(super) fn tuples<T>(
        mut self,
        marks: &str,
        items: impl IntoIterator<Item = T>,
        bind: impl Fn(Self, T) -> Self,
    ) -> Self {
        for (index, item) in items.into_iter().enumerate() {
            self = bind(self.push(if index == 0 { "" } else { ", " }).push(marks), item);
        }
        self
    }

    /// `(?, ?, ...)` with these values.
    pub(super) fn list<T: Into<Value>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        let before = self.values.len();
        self.values.extend(values.into_iter().map(Into::into));
        let marks = vec!["?"; self.values.len() - before].join(", ");
        self.push("(").push(&marks).push(")")
    }

    /// `CASE key WHEN ? THEN ? ... END` over pairs of key and value.
    pub(super) fn case<K, V>(mut self, key: &str, arms: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<Value>,
        V: Into<Value>,
    {
        self.text.push_str("CASE ");
        self.text.push_str(key);
        for (when, then) in arms {
            self.text.push_str(" WHEN ? THEN ?");
            self.values.push(when.into());
            self.values.push(then.into());
        }
        self.push(" END")
    }
}

/// A condition on the state of rows that are named by their key, in a form
/// that no index serves: a planner that looks for rows by state would walk the
/// whole batch for each group.
pub(super) fn state_is(column: &str, words: &[&'static str]) -> String {
    format!("COALESCE({column}, '') IN ('{}')", words.join("', '"))
}

/// Cuts a group into chunks of a few fixed sizes, so that there are only as
/// many prepared statements as sizes.
pub(super) fn chunks<T>(items: &[T]) -> impl Iterator<Item = &[T]> {
    cut(items, &SIZES)
}

/// The same for statements with a CASE. The database goes through its arms for
/// each row: their time grows with the square of the size.
pub(super) fn case_chunks<T>(items: &[T]) -> impl Iterator<Item = &[T]> {
    cut(items, &SIZES[1..])
}

const SIZES: [usize; 8] = [200, 100, 50, 20, 10, 5, 2, 1];

fn cut<'a, T>(mut items: &'a [T], sizes: &'static [usize]) -> impl Iterator<Item = &'a [T]> {
    std::iter::from_fn(move || {
        let size = sizes.iter().copied().find(|size| *size <= items.len())?;
        let (chunk, rest) = items.split_at(size);
        items = rest;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_the_group_in_order_with_fixed_sizes() {
        let items: Vec<u32> = (0..1_632).collect();
        let whole: Vec<&[u32]> = chunks(&items).collect();
        assert_eq!(whole.concat(), items);
        let sizes: Vec<usize> = whole.iter().map(|chunk| chunk.len()).collect();
        assert_eq!(sizes, [200, 200, 200, 200, 200, 200, 200, 200, 20, 10, 2]);
        let sizes: Vec<usize> = case_chunks(&items[..321]).map(<[u32]>::len).collect();
        assert_eq!(sizes, [100, 100, 100, 20, 1]);
    }

    #[test]
    fn statement_text_holds_marks_and_never_data() {
        let statement = Statement::named("n", "UPDATE t SET a = ")
            .case("id", [(1, "x'; DROP"), (2, "y")])
            .push(" WHERE id IN ")
            .list([1, 2]);
        assert_eq!(
            statement.text,
            "/* n */ UPDATE t SET a = CASE id WHEN ? THEN ? WHEN ? THEN ? END WHERE id IN (?, ?)"
        );
        assert_eq!(statement.values.len(), 6);
    }
}
