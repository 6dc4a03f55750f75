//! Statements that mend what is in the way. What a column is beside the one
//! thing that is wrong stays: its character set, default, comment.

use super::{
    catalogue::{Column, Table},
    expected::{Expected, Kind},
    server::Server,
};

/// How something is put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mend {
    /// By this statement.
    Statement(String),
    /// By somebody who decides how.
    Words(String),
}

/// Texts shorter than this are widened to it.
const USUAL_WIDTH: i64 = 100;

/// Adds a column that is missing.
pub(super) fn add(expected: &Expected, table: &Table) -> Mend {
    let Expected { table: name, column, declaration, .. } = *expected;
    let key = counting_key(declaration, table, column);
    Mend::Statement(format!("ALTER TABLE `{name}` ADD COLUMN `{column}` {declaration}{key}"))
}

/// Gives a column the type that is needed.
pub(super) fn retype(expected: &Expected, table: &Table, column: &Column, server: &Server) -> Mend {
    let name = expected.table;
    let new_type = match expected.kind {
        Kind::Id => return count_up(name, table, column),
        Kind::Words(words) if column.data_type == "enum" => with_words(&column.declared_type, words),
        // Wide enough types of the same family keep their default.
        Kind::Text(least) if column.is_text() => format!("varchar({})", least.max(USUAL_WIDTH)),
        Kind::Int | Kind::Real | Kind::Text(_) | Kind::DateTime | Kind::Words(_) => {
            let declaration = expected.declaration;
            return Mend::Statement(format!("ALTER TABLE `{name}` MODIFY `{}` {declaration}", column.name));
        }
    };
    let definition = column.definition(&new_type, column.nullable, server);
    Mend::Statement(format!("ALTER TABLE `{name}` MODIFY `{}` {definition}", column.name))
}

/// Lets a column be NULL.
pub(super) fn allow_null(name: &str, column: &Column, server: &Server) -> Mend {
    let definition = column.definition(&column.declared_type, true, server);
    Mend::Statement(format!("ALTER TABLE `{name}` MODIFY `{}` {definition}", column.name))
}

/// Lets rows be inserted without a value for a column.
pub(super) fn do_without(name: &str, table: &Table, column: &Column, server: &Server) -> Mend {
    let is_primary = table.indexes.iter().any(|index| index.name == "PRIMARY" && index.has(&column.name));
    if is_primary && column.is_int() {
        return count_up(name, table, column);
    }
    if is_primary {
        return Mend::Words(format!(
            "let the database give `{}` a value, or take it out of the primary key",
            column.name
        ));
    }
    if matches!(column.data_type.as_str(), "datetime" | "timestamp") {
        // With as many digits of a second as the column has.
        let digits = column.declared_type.trim_start_matches(char::is_alphabetic);
        let definition = column.definition(&column.declared_type, false, server);
        return Mend::Statement(format!(
            "ALTER TABLE `{name}` MODIFY `{}` {definition} DEFAULT CURRENT_TIMESTAMP{digits}",
            column.name
        ));
    }
    allow_null(name, column, server)
}

/// Has the database count a column up.
fn count_up(name: &str, table: &Table, column: &Column) -> Mend {
    if let Some(other) = table.columns.iter().find(|it| it.counts_up() && it.name != column.name) {
        return Mend::Words(format!(
            "a table counts up one column only, here `{}`: let it be `{}`",
            other.name, column.name
        ));
    }
    let kind = if column.is_int() { column.declared_type.as_str() } else { "int" };
    let declaration = format!("{kind} NOT NULL AUTO_INCREMENT");
    let key = counting_key(&declaration, table, &column.name);
    Mend::Statement(format!("ALTER TABLE `{name}` MODIFY `{}` {declaration}{key}", column.name))
}

/// A column that is counted up must lead a key.
fn counting_key(declaration: &str, table: &Table, column: &str) -> String {
    if !declaration.contains("AUTO_INCREMENT") || table.leads_an_index(column) {
        return String::new();
    }
    let key = if table.has_primary_key() { "UNIQUE KEY" } else { "PRIMARY KEY" };
    format!(", ADD {key} (`{column}`)")
}

/// An enumeration with these words beside those that it has.
fn with_words(declared_type: &str, words: &[&str]) -> String {
    let more: Vec<String> = lacking(declared_type, words).iter().map(|word| format!("'{word}'")).collect();
    format!("{},{})", declared_type.trim_end_matches(')'), more.join(","))
}

/// Which of these words an enumeration lacks.
pub(super) fn lacking<'a>(declared_type: &str, words: &[&'a str]) -> Vec<&'a str> {
    words.iter().copied().filter(|word| !declared_type.contains(&format!("'{word}'"))).collect()
}

/// Inserts row 1 of a table, with something in every column that needs it.
pub(super) fn first_row(name: &str, table: &Table) -> Mend {
    let mut columns = vec!["`id`".to_owned()];
    let mut values = vec!["1".to_owned()];
    for column in table.columns.iter().filter(|column| column.must_be_given()) {
        if column.name.eq_ignore_ascii_case("id") {
            continue;
        }
        columns.push(format!("`{}`", column.name));
        values.push(match column.data_type.as_str() {
            "date" | "datetime" | "timestamp" => "CURRENT_TIMESTAMP".to_owned(),
            _ if column.is_text() => "'cofi'".to_owned(),
            _ => "0".to_owned(),
        });
    }
    Mend::Statement(format!("INSERT INTO `{name}` ({}) VALUES ({})", columns.join(", "), values.join(", ")))
}

impl Column {
    pub(super) fn is_int(&self) -> bool {
        matches!(self.data_type.as_str(), "tinyint" | "smallint" | "mediumint" | "int" | "bigint")
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(
            self.data_type.as_str(),
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext"
        )
    }

    pub(super) fn counts_up(&self) -> bool {
        self.extra.contains("auto_increment")
    }

    /// Whether the database computes it from other columns.
    pub(super) fn is_computed(&self) -> bool {
        // MySQL says `default_generated` of a default that is an expression.
        self.extra.contains("generated") && !self.extra.contains("default_generated")
    }

    /// Whether a row cannot be inserted without a value for it. An enumeration
    /// has its first word then.
    pub(super) fn must_be_given(&self) -> bool {
        !self.nullable
            && self.default.is_none()
            && self.data_type != "enum"
            && !self.counts_up()
            && !self.is_computed()
    }

    /// What stands behind its name when it is declared, with this type.
    fn definition(&self, declared_type: &str, nullable: bool, server: &Server) -> String {
        let mut parts = vec![declared_type.to_owned()];
        if let (Some(charset), Some(collation)) = (&self.charset, &self.collation) {
            parts.push(format!("CHARACTER SET {charset} COLLATE {collation}"));
        }
        parts.push(if nullable { "NULL" } else { "NOT NULL" }.to_owned());
        if let Some(default) = &self.default {
            parts.push(format!("DEFAULT {}", self.default_as_sql(default, server)));
        }
        if self.extra.contains("on update") {
            parts.push(self.extra.replace("default_generated ", ""));
        }
        if !self.comment.is_empty() {
            parts.push(format!("COMMENT {}", quoted(&self.comment)));
        }
        parts.join(" ")
    }

    fn default_as_sql(&self, default: &str, server: &Server) -> String {
        if server.quotes_defaults() {
            default.to_owned()
        } else if self.extra.contains("default_generated") {
            let is_time = default.to_lowercase().starts_with("current_timestamp");
            if is_time { default.to_owned() } else { format!("({default})") }
        } else {
            quoted(default)
        }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(declared_type: &str, default: Option<&str>, extra: &str) -> Column {
        let data_type = declared_type.split('(').next().unwrap_or_default().to_owned();
        Column {
            name: "c".to_owned(),
            data_type,
            declared_type: declared_type.to_owned(),
            chars: None,
            bytes: None,
            nullable: false,
            default: default.map(str::to_owned),
            extra: extra.to_owned(),
            charset: None,
            collation: None,
            comment: String::new(),
        }
    }

    fn definition(version: &str, column: &Column) -> String {
        column.definition(&column.declared_type, false, &Server::of_version(version))
    }

    #[test]
    fn defaults_are_told_back_as_each_server_tells_them() {
        for (on_mysql, on_mariadb, declared) in [
            // MySQL tells the bare value, MariaDB the expression.
            (
                column("varchar(9)", Some("it's \\"), ""),
                column("varchar(9)", Some("'it''s \\\\'"), ""),
                "varchar(9) NOT NULL DEFAULT 'it''s \\\\'",
            ),
            (
                column("json", Some("json_array()"), "default_generated"),
                column("json", Some("json_array()"), ""),
                "json NOT NULL DEFAULT json_array()",
            ),
            (
                column(
                    "datetime",
                    Some("CURRENT_TIMESTAMP"),
                    "default_generated on update current_timestamp",
                ),
                column("datetime", Some("CURRENT_TIMESTAMP"), "on update current_timestamp"),
                "datetime NOT NULL DEFAULT CURRENT_TIMESTAMP on update current_timestamp",
            ),
        ] {
            // MySQL wants expressions in brackets.
            let bracketed = declared.replace("json_array()", "(json_array())");
            assert_eq!(definition("8.0.36", &on_mysql), bracketed);
            assert_eq!(definition("10.11.6-MariaDB", &on_mariadb), declared);
        }
    }

    #[test]
    fn default_that_is_an_expression_is_not_a_computed_column() {
        assert!(!column("int", Some("1"), "default_generated").is_computed());
        assert!(column("int", None, "stored generated").is_computed());
    }
}
