//! Prints the rows of an empty database's `language` table as `code<TAB>name`, for whoever writes a migration.

use std::io::{self, Write};

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for row in cofi_language::seed_rows() {
        writeln!(out, "{}\t{}", row.code, row.name)?;
    }
    Ok(())
}
