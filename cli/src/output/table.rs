//! Tables for people: aligned columns, and lines that fit the terminal if
//! there is one. Away from a terminal nothing is wrapped, so that `grep` and
//! `awk` see one row a line.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, Row as TableRow, Table, TableStyle, Width,
};

use super::escape::escape;

/// Where a table is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    Terminal { columns: u16 },
    Plain,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) align: Align,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A column of words.
pub(crate) const fn words(title: &'static str) -> Column {
    Column { title, align: Align::Left }
}

/// A column of numbers.
pub(crate) const fn number(title: &'static str) -> Column {
    Column { title, align: Align::Right }
}

/// A table that arrives in parts, each as wide as the ones before it or wider:
/// how wide the whole will be is not known while it is read.
#[derive(Debug)]
pub(crate) struct Tabulator {
    medium: Medium,
    columns: &'static [Column],
    widths: Vec<u16>,
    begun: bool,
}

impl Tabulator {
    pub(crate) fn new(medium: Medium, columns: &'static [Column]) -> Self {
        Self { medium, columns, widths: vec![0; columns.len()], begun: false }
    }

    /// The next rows as text, the first ones beneath the titles. No row, no
    /// text.
    pub(crate) fn part(&mut self, rows: impl IntoIterator<Item = Vec<String>>) -> String {
        let mut table = Table::new();
        table.load_style(TableStyle::new());
        match self.medium {
            Medium::Terminal { columns } => {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
            }
            Medium::Plain => {
                table.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        if !self.begun {
            table.set_header(self.columns.iter().map(|column| column.title));
        }
        for row in rows {
            table.add_row(TableRow::from(
                row.iter().map(|cell| escape(cell).into_owned()).collect::<Vec<_>>(),
            ));
        }
        if table.is_empty() {
            return String::new();
        }
        self.begun = true;
        self.widen(&mut table);
        table.trim_fmt()
    }

    fn widen(&mut self, table: &mut Table) {
        let natural = table.column_max_content_widths();
        for (index, column) in self.columns.iter().enumerate() {
            let (Some(width), Some(set)) = (self.widths.get_mut(index), table.column_mut(index)) else {
                continue;
            };
            *width = natural.get(index).copied().unwrap_or(0).max(*width);
            set.set_padding((0, 2));
            if column.align == Align::Right {
                set.set_cell_alignment(CellAlignment::Right);
            }
            if self.medium == Medium::Plain {
                set.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width.saturating_add(2))));
            }
        }
    }
}

/// A whole table at once.
pub(crate) fn table(
    medium: Medium,
    columns: &'static [Column],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    Tabulator::new(medium, columns).part(rows)
}

/// Names and values, one pair a line.
pub(crate) fn pairs(medium: Medium, pairs: &[(&str, String)]) -> String {
    const COLUMNS: &[Column] = &[words(""), words("")];
    let mut untitled = Tabulator { begun: true, ..Tabulator::new(medium, COLUMNS) };
    untitled.part(pairs.iter().map(|(name, value)| vec![(*name).to_owned(), value.clone()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[words("NAME"), number("SIZE")];

    fn row(name: &str, size: &str) -> Vec<String> {
        vec![name.to_owned(), size.to_owned()]
    }

    #[test]
    fn columns_are_aligned_and_lines_end_with_their_text() {
        let text = table(Medium::Plain, COLUMNS, [row("a.wav", "7"), row("long name.wav", "1234")]);
        assert_eq!(text, "NAME           SIZE\na.wav             7\nlong name.wav  1234");
    }

    #[test]
    fn later_parts_keep_the_widths_and_have_no_titles() {
        let mut tabulator = Tabulator::new(Medium::Plain, COLUMNS);
        tabulator.part([row("long name.wav", "1234")]);
        assert_eq!(tabulator.part([row("b.wav", "8")]), "b.wav             8");
    }

    #[test]
    fn no_row_is_no_text() {
        assert_eq!(table(Medium::Plain, COLUMNS, []), "");
    }

    #[test]
    fn away_from_a_terminal_a_row_is_a_line() {
        let name = "x".repeat(400);
        let text = table(Medium::Plain, COLUMNS, [row(&name, "1")]);
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn on_a_terminal_long_cells_are_wrapped_to_its_width() {
        let name = "word ".repeat(60);
        let text = table(Medium::Terminal { columns: 60 }, COLUMNS, [row(&name, "1")]);
        assert!(text.lines().count() > 3 && text.lines().all(|line| line.chars().count() <= 60), "{text}");
    }

    #[test]
    fn control_characters_are_written_out() {
        let text = table(Medium::Plain, COLUMNS, [row("a\u{1b}[31m\nb", "1")]);
        assert!(text.contains(r"a\u{1b}[31m\nb"), "{text}");
    }
}
