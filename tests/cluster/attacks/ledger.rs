//! The rows that were tried, and what became of each.

use std::collections::BTreeMap;

/// What became of an attack: it held, or what the attacker got.
pub type Outcome = Result<(), String>;

/// All rows so far.
#[derive(Debug, Default)]
pub struct Ledger(BTreeMap<String, Outcome>);

impl Ledger {
    /// Notes a row that was tried.
    pub fn note(&mut self, row: &str, outcome: Outcome) {
        if let Err(got) = &outcome {
            println!("{row}: {got}");
        }
        assert!(self.0.insert(row.to_owned(), outcome).is_none(), "{row}: two rows have one name");
    }

    /// Tells how many rows held, and fails with the others.
    pub fn verdict(&self) {
        let got: Vec<String> = self
            .0
            .iter()
            .filter_map(|(row, held)| Some(format!("{row}: {}", held.as_ref().err()?)))
            .collect();
        println!("attacks: {} tried, {} held", self.0.len(), self.0.len() - got.len());
        assert!(!self.0.is_empty() && got.is_empty(), "these did not hold:\n{}", got.join("\n"));
    }
}
