//! What a database says of its tables.

use std::collections::HashMap;

use super::server::Server;
use crate::ledger::{
    LedgerError,
    database::Transaction,
    sql::{Row, Statement},
};

/// Tables of a database, by the names that Cofi has for them.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) server: Server,
    tables: HashMap<&'static str, Table>,
}

/// A table, or a view.
#[derive(Debug)]
pub(super) struct Table {
    /// `BASE TABLE`, `VIEW`, and what else there is.
    pub(super) kind: String,
    pub(super) engine: String,
    pub(super) row_format: String,
    pub(super) columns: Vec<Column>,
    pub(super) indexes: Vec<Index>,
}

/// A column as the database declares it.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// In lower case: `varchar`.
    pub(super) data_type: String,
    /// Whole: `varchar(20)`.
    pub(super) declared_type: String,
    pub(super) chars: Option<i64>,
    pub(super) bytes: Option<i64>,
    pub(super) nullable: bool,
    pub(super) default: Option<String>,
    /// In lower case: `auto_increment`, `on update ...`, `stored generated`.
    pub(super) extra: String,
    pub(super) charset: Option<String>,
    pub(super) collation: Option<String>,
    pub(super) comment: String,
}

/// An index that finds rows by the values of its columns.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) name: String,
    /// In lower case.
    pub(super) columns: Vec<String>,
}

impl Catalogue {
    /// Reads what there is of these tables.
    pub(super) async fn read(
        tx: &mut Transaction,
        names: impl IntoIterator<Item = &'static str>,
    ) -> Result<Self, LedgerError> {
        let server = Server::read(tx).await?;
        let mut tables = HashMap::new();
        for name in names {
            if let Some(table) = Table::read(tx, &server, name).await? {
                tables.insert(name, table);
            }
        }
        Ok(Self { server, tables })
    }

    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }
}

impl Table {
    async fn read(
        tx: &mut Transaction,
        server: &Server,
        name: &'static str,
    ) -> Result<Option<Self>, LedgerError> {
        let select = "SELECT TABLE_NAME, TABLE_TYPE, COALESCE(ENGINE, ''), COALESCE(ROW_FORMAT, '') \
                      FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?";
        let rows = tx.rows(Statement::named("declared_table", select).bind(name)).await?;
        for row in rows {
            let found = row.text(0)?;
            // The comparison above may set case aside where the server does not.
            if found != name && !(server.folds_names() && found.eq_ignore_ascii_case(name)) {
                continue;
            }
            return Ok(Some(Self {
                kind: row.text(1)?,
                engine: row.text(2)?,
                row_format: row.text(3)?,
                columns: columns(tx, &found).await?,
                indexes: indexes(tx, &found).await?,
            }));
        }
        Ok(None)
    }

    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn has_primary_key(&self) -> bool {
        self.indexes.iter().any(|index| index.name == "PRIMARY")
    }

    /// Whether some index begins with this column.
    pub(super) fn leads_an_index(&self, column: &str) -> bool {
        let leads = |index: &Index| index.columns.first().is_some_and(|it| it.eq_ignore_ascii_case(column));
        self.indexes.iter().any(leads)
    }

    /// Whether some index begins with these columns, in any order.
    pub(super) fn has_index_on(&self, columns: &[&str]) -> bool {
        self.indexes.iter().any(|index| {
            let first = &index.columns[..columns.len().min(index.columns.len())];
            columns.iter().all(|column| first.iter().any(|it| it.eq_ignore_ascii_case(column)))
        })
    }
}

impl Index {
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|it| it.eq_ignore_ascii_case(column))
    }
}

async fn columns(tx: &mut Transaction, table: &str) -> Result<Vec<Column>, LedgerError> {
    let select = "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CAST(CHARACTER_MAXIMUM_LENGTH AS SIGNED), \
                  CAST(CHARACTER_OCTET_LENGTH AS SIGNED), IS_NULLABLE, COLUMN_DEFAULT, EXTRA, \
                  CHARACTER_SET_NAME, COLLATION_NAME, COLUMN_COMMENT, TABLE_NAME \
                  FROM information_schema.COLUMNS \
                  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION";
    let rows = tx.rows(Statement::named("declared_columns", select).bind(table)).await?;
    let mut columns = Vec::with_capacity(rows.len());
    for row in rows {
        if row.text(11)? == table {
            columns.push(column(&row)?);
        }
    }
    Ok(columns)
}

fn column(row: &Row) -> Result<Column, LedgerError> {
    Ok(Column {
        name: row.text(0)?,
        data_type: row.text(1)?.to_lowercase(),
        declared_type: row.text(2)?,
        chars: row.opt_int(3)?,
        bytes: row.opt_int(4)?,
        nullable: row.text(5)?.eq_ignore_ascii_case("YES"),
        default: row.opt_text(6)?,
        extra: row.text(7)?.to_lowercase(),
        charset: row.opt_text(8)?,
        collation: row.opt_text(9)?,
        comment: row.text(10)?,
    })
}

async fn indexes(tx: &mut Transaction, table: &str) -> Result<Vec<Index>, LedgerError> {
    let select = "SELECT INDEX_NAME, COLUMN_NAME, TABLE_NAME FROM information_schema.STATISTICS \
                  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND INDEX_TYPE = 'BTREE' \
                  ORDER BY INDEX_NAME, SEQ_IN_INDEX";
    let mut indexes: Vec<Index> = Vec::new();
    for row in tx.rows(Statement::named("declared_indexes", select).bind(table)).await? {
        if row.text(2)? != table {
            continue;
        }
        // None for an expression, which is no column.
        let (name, column) = (row.text(0)?, row.opt_text(1)?.unwrap_or_default().to_lowercase());
        match indexes.last_mut().filter(|index| index.name == name) {
            Some(index) => index.columns.push(column),
            None => indexes.push(Index { name, columns: vec![column] }),
        }
    }
    Ok(indexes)
}
