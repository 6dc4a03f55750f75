//! Everything that others have in a database, down to the byte.

use std::collections::BTreeMap;

use crate::place::Place;

/// A database as it stands, without what is Cofi's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    tables: BTreeMap<String, Table>,
}

#[derive(Clone, PartialEq, Eq)]
struct Table {
    /// As the server would make it again.
    definition: String,
    /// A digest of every row, in order.
    rows: Vec<String>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("definition", &self.definition).field("rows", &self.rows.len()).finish()
    }
}

/// Whether a table, or a line of a definition, is Cofi's.
fn is_cofis(name: &str) -> bool {
    name.trim_start().trim_start_matches("KEY ").trim_start_matches('`').to_lowercase().starts_with("cofi")
}

impl Fingerprint {
    pub async fn of(place: &Place<'_>) -> Self {
        Self::without(place, &[]).await
    }

    /// The same, with these columns set aside: table and name.
    pub async fn without(place: &Place<'_>, columns: &[(&str, &str)]) -> Self {
        let mut tables = BTreeMap::new();
        for row in place.rows("SHOW FULL TABLES").await {
            let [name, kind] = row.try_into().unwrap();
            if is_cofis(&name) {
                continue;
            }
            let aside: Vec<&str> =
                columns.iter().filter(|(table, _)| *table == name).map(|(_, column)| *column).collect();
            let definition = definition(place, &name, &kind).await;
            tables.insert(name.clone(), Table { definition, rows: rows(place, &name, &aside).await });
        }
        Self { tables }
    }

    /// Every old row is still there, and so many are new in each table; the
    /// definitions are the same but for the next id.
    pub fn assert_kept_in(&self, after: &Self, new_rows: &[(&str, usize)]) {
        assert_eq!(
            self.tables.keys().collect::<Vec<_>>(),
            after.tables.keys().collect::<Vec<_>>(),
            "other tables"
        );
        for (name, before) in &self.tables {
            let after = &after.tables[name];
            assert_eq!(without_next_id(&before.definition), without_next_id(&after.definition), "{name}");
            let new = new_rows.iter().find(|(table, _)| table == name).map_or(0, |(_, rows)| *rows);
            assert_eq!(after.rows.len(), before.rows.len() + new, "rows of {name}");
            let lost = lost(&before.rows, &after.rows);
            assert_eq!(lost, 0, "old rows of {name} that are no longer as they were");
        }
    }

    pub fn rows(&self, table: &str) -> usize {
        self.tables[table].rows.len()
    }
}

/// How many of these are missing among those; both are in order.
fn lost(before: &[String], after: &[String]) -> usize {
    let mut rest = after.iter().peekable();
    let mut lost = 0;
    for row in before {
        while rest.next_if(|it| *it < row).is_some() {}
        if rest.next_if_eq(&row).is_none() {
            lost += 1;
        }
    }
    lost
}

fn without_next_id(definition: &str) -> String {
    definition.split(' ').filter(|word| !word.starts_with("AUTO_INCREMENT=")).collect::<Vec<_>>().join(" ")
}

async fn definition(place: &Place<'_>, name: &str, kind: &str) -> String {
    if kind == "VIEW" {
        return place.rows(&format!("SHOW CREATE VIEW `{name}`")).await[0][1].clone();
    }
    let definition = place.rows(&format!("SHOW CREATE TABLE `{name}`")).await[0][1].clone();
    // The comma before an index of ours goes with it.
    let lines: Vec<&str> = definition.lines().filter(|line| !is_cofis(line)).collect();
    let triggers = place.rows(&format!("SHOW TRIGGERS LIKE '{name}'")).await;
    format!("{}{triggers:?}", lines.join("\n").replace(",\n)", "\n)"))
}

async fn rows(place: &Place<'_>, name: &str, aside: &[&str]) -> Vec<String> {
    let columns = place
        .rows(&format!(
            "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS \
             WHERE TABLE_SCHEMA = DATABASE() AND BINARY TABLE_NAME = '{name}' ORDER BY ORDINAL_POSITION"
        ))
        .await;
    let bytes: Vec<String> = columns
        .iter()
        .filter(|column| !aside.contains(&column[0].as_str()))
        .map(|column| bytes_of(&column[0], &column[1]))
        .collect();
    let digests = format!(
        "SET STATEMENT group_concat_max_len = 1000000000 FOR \
         SELECT COALESCE(GROUP_CONCAT(digest ORDER BY digest SEPARATOR ''), '') \
         FROM (SELECT MD5(CONCAT_WS(',', {})) AS digest FROM `{name}`) AS digests",
        bytes.join(", ")
    );
    let digests = place.value(&digests).await;
    let digests = digests.as_bytes().chunks(32).map(|digest| String::from_utf8_lossy(digest).into_owned());
    digests.collect()
}

/// The bytes of a column, in digits.
fn bytes_of(column: &str, data_type: &str) -> String {
    let digits = match data_type {
        // Shown as text it would lose digits; as a double it is itself.
        "float" => format!("CAST(CAST(`{column}` AS DOUBLE) AS CHAR)"),
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "blob" | "binary"
        | "varbinary" | "enum" | "bit" => format!("HEX(`{column}`)"),
        _ => format!("CAST(`{column}` AS CHAR)"),
    };
    format!("IFNULL({digits}, 'NULL')")
}
