//! The matrix as a table for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use azureml_operator_tests::failure::{Result, While};
use azureml_operator_tests::places;

use super::cell::{Cell, Outcome};
use super::fault::Fault;
use super::subject::{ACTS, COLUMNS};
use super::tokens::Tokens;

/// The last column.
const TOKENS: &str = "tokens";

/// Columns are kinds with what is done; a cell is tries of those allowed, and requests in all.
pub struct Table {
    rows: Vec<&'static str>,
    filled: Mutex<BTreeMap<&'static str, BTreeMap<String, String>>>,
}

impl Table {
    /// Empty.
    pub fn new(rows: &[Fault]) -> Self {
        Self { rows: rows.iter().map(|row| row.name).collect(), filled: Mutex::default() }
    }

    /// Fills a row, writes the table, and prints it when it is whole.
    pub fn fill(&self, row: &Fault, cells: &[Cell], tokens: Tokens) -> Result {
        let text = |cell: &Cell| match &cell.outcome {
            Outcome::Absent(why) => format!("- ({why})"),
            Outcome::Passed(seen) => format!("{} of {}; {}", seen.tries, seen.allowed, seen.requests),
            Outcome::Failed(_) => "FAILED".to_owned(),
        };
        let mut cells: BTreeMap<String, String> =
            cells.iter().map(|cell| (column(cell.column, cell.act), text(cell))).collect();
        cells.insert(TOKENS.to_owned(), format!("{} of {}", tokens.asked, tokens.allowed()));
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        filled.insert(row.name, cells);
        let table = self.text(&filled);
        let folder = places::root().join("target/e2e");
        std::fs::create_dir_all(&folder).doing(folder.display())?;
        std::fs::write(folder.join("fault-matrix.md"), &table).doing("fault-matrix.md")?;
        if filled.len() == self.rows.len() {
            println!("{table}");
        }
        Ok(())
    }

    fn text(&self, filled: &BTreeMap<&'static str, BTreeMap<String, String>>) -> String {
        let columns = COLUMNS.iter().flat_map(|name| ACTS.map(|act| column(name, act)));
        let columns: Vec<String> = columns.chain([TOKENS.to_owned()]).collect();
        let mut text = String::from(
            "Each cell: tries that the fault struck, of as many as the operator's pace allows in that time; requests \
             about the object in all. Every cell converged once the fault was gone, with nothing twice and nothing lost, \
             unless it says FAILED. Tokens: asked for by the row's principal, of as many as it may.\n\n",
        );
        let _ = writeln!(text, "| fault | {} |\n|---|{}", columns.join(" | "), "---|".repeat(columns.len()));
        for row in &self.rows {
            let cells = filled.get(row);
            let cell = |column: &String| cells.and_then(|cells| cells.get(column)).map_or("not run", String::as_str);
            let _ = writeln!(text, "| {row} | {} |", columns.iter().map(cell).collect::<Vec<_>>().join(" | "));
        }
        text
    }
}

fn column(name: &str, act: super::subject::Act) -> String {
    format!("{name} {act:?}").to_lowercase()
}
