//! `cofiReadyCall`, for SQL readers: calls that wait and are identified.

use super::{
    Finding, Step,
    catalogue::{Catalogue, Table},
    mend::Mend,
};

pub(super) const NAME: &str = "cofiReadyCall";

/// With the reader's own rights: it gives nobody more than `call` itself, and
/// outlives the account that made it. NULL is no language either.
const SQL: &str = "CREATE OR REPLACE SQL SECURITY INVOKER VIEW cofiReadyCall AS \
     SELECT * FROM `call` WHERE status = 'Pending' AND lang <> 'unknown'";

/// Makes the view, or makes it again once `call` has other columns: a server
/// keeps the list of columns that `*` stood for.
pub(super) fn step(catalogue: &Catalogue) -> Option<Step> {
    let names = |table: &Table| -> Vec<String> {
        // `*` leaves out what is declared invisible.
        let visible = table.columns.iter().filter(|column| !column.extra.contains("invisible"));
        visible.map(|column| column.name.to_lowercase()).collect()
    };
    let (view, call) = (catalogue.table(NAME), catalogue.table("call"));
    let what = match view {
        None => "create the view cofiReadyCall",
        Some(view) if Some(names(view)) != call.map(names) => {
            "bring the view cofiReadyCall in line with the columns of `call`"
        }
        Some(_) => return None,
    };
    Some(Step::new(what.to_owned(), SQL.to_owned()))
}

/// A table that has the view's name.
pub(super) fn stranger(catalogue: &Catalogue) -> Option<Finding> {
    let table = catalogue.table(NAME).filter(|table| table.kind != "VIEW")?;
    Some(Finding::new(
        format!("`{NAME}` is a {}, and Cofi makes a view of that name", table.kind.to_lowercase()),
        Mend::Statement(format!("RENAME TABLE `{NAME}` TO `{NAME}_of_others`")),
    ))
}
