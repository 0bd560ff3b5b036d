//! What was checked in a run, and what was found.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::check::{Violation, check};
use super::document::Documents;
use super::exchange::Exchange;
use super::exemptions::Exemptions;
use crate::failure::Result;

/// How the conclusion is named among the tests.
pub const NAME: &str = "contract::every_request_and_answer_is_as_the_api_says";

/// How many findings are printed.
const SHOWN: usize = 150;

static OPEN: OnceLock<Arc<Ledger>> = OnceLock::new();

/// What was checked, and what was found.
#[derive(Debug)]
pub struct Ledger {
    documents: Documents,
    exemptions: Exemptions,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    checked: BTreeMap<String, Count>,
    findings: BTreeMap<Violation, Finding>,
    /// The exchanges of the operator that came in.
    seen: u64,
    /// What is wrong with the checking itself.
    gaps: Vec<String>,
    /// One exchange of each kind, where they are saved.
    samples: BTreeMap<(String, u16), Exchange>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    requests: u64,
    answers: u64,
}

#[derive(Debug)]
struct Finding {
    count: u64,
    example: String,
}

/// How a run ended.
#[derive(Debug)]
pub struct Conclusion {
    /// Whether everything is as the API says.
    pub holds: bool,
    /// For a person.
    pub text: String,
}

impl Ledger {
    /// An empty one.
    ///
    /// # Errors
    /// When a document is not as expected.
    pub fn new() -> Result<Self> {
        Ok(Self { documents: Documents::load()?, exemptions: Exemptions::load()?, pages: Mutex::default() })
    }

    /// From now on, all emulators of this process are checked.
    ///
    /// # Errors
    /// When a document is not as expected.
    pub fn open() -> Result {
        let ledger = Arc::new(Self::new()?);
        OPEN.get_or_init(|| ledger);
        Ok(())
    }

    /// The one that is open.
    #[must_use]
    pub fn current() -> Option<Arc<Self>> {
        OPEN.get().cloned()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks an exchange and writes down what is found.
    pub fn enter(&self, exchange: &Exchange) {
        let checked = check(&self.documents, exchange);
        let mut pages = self.pages();
        pages.seen += u64::from(exchange.is_of_the_operator());
        if let Some(operation) = checked.operation {
            let count = pages.checked.entry(operation.clone()).or_default();
            count.requests += u64::from(checked.request);
            count.answers += u64::from(checked.answer);
            pages.sample(operation, exchange);
        }
        for mut violation in checked.violations {
            if self.exemptions.cover(&violation) {
                continue;
            }
            violation.place = without_numbers(&violation.place);
            violation.operation = without_ids(&violation.operation);
            let example = || Finding { count: 0, example: exchange.words() };
            pages.findings.entry(violation).or_insert_with(example).count += 1;
        }
    }

    /// Writes down that something could not be checked.
    pub fn gap(&self, what: String) {
        self.pages().gaps.push(what);
    }

    /// How the run ended; none where nothing happened. `whole`: all tests ran, so that what was never used is told.
    #[must_use]
    pub fn conclude(&self, whole: bool) -> Option<Conclusion> {
        let pages = self.pages();
        if pages.seen == 0 && pages.gaps.is_empty() {
            return None;
        }
        let requests: u64 = pages.checked.values().map(|count| count.requests).sum();
        let answers: u64 = pages.checked.values().map(|count| count.answers).sum();
        let mut text = String::new();
        let mut line = |words: std::fmt::Arguments<'_>| _ = writeln!(text, "{words}");
        line(format_args!("operation: requests, answers"));
        for (operation, count) in &pages.checked {
            line(format_args!("  {operation}: {}, {}", count.requests, count.answers));
        }
        for (known, used) in self.exemptions.used().filter(|(_, used)| *used > 0 || whole) {
            let used = if used == 0 { "never used; take it out".to_owned() } else { format!("{used} times") };
            line(format_args!("exempt {} {} {}: {used} ({})", known.operation, known.side, known.place, known.reason));
        }
        for gap in &pages.gaps {
            line(format_args!("not checked: {gap}"));
        }
        for (violation, finding) in pages.findings.iter().take(SHOWN) {
            let Violation { operation, side, place, what } = violation;
            line(format_args!("{operation}, {} {place}: {what} ({} times)", side.as_str(), finding.count));
            line(format_args!("    e.g. {}", finding.example));
        }
        let wrong = pages.findings.len();
        let operations = pages.checked.len();
        line(format_args!(
            "{requests} requests and {answers} answers of {operations} operations were checked: {wrong} kinds of violations"
        ));
        let holds = wrong == 0 && pages.gaps.is_empty() && requests > 0 && answers > 0;
        pages.save_samples();
        Some(Conclusion { holds, text })
    }
}

impl Pages {
    /// Keeps the smallest exchange of each operation and status, where somebody wants them.
    fn sample(&mut self, operation: String, exchange: &Exchange) {
        let Some(answer) = &exchange.answer else { return };
        if std::env::var_os(SAVE).is_none() || exchange.ordered || !exchange.is_of_the_operator() {
            return;
        }
        let weight = |exchange: &Exchange| {
            let answered = exchange.answer.as_ref().map_or(0, |answer| answer.message.length);
            // Empty ones show nothing.
            (exchange.request.length + answered).abs_diff(900)
        };
        let status = answer.status;
        let known = self.samples.entry((operation, status)).or_insert_with(|| exchange.clone());
        if weight(exchange) < weight(known) {
            *known = exchange.clone();
        }
    }

    fn save_samples(&self) {
        let Some(path) = std::env::var_os(SAVE) else { return };
        let samples: Vec<&Exchange> = self.samples.values().collect();
        let saved = serde_json::to_vec_pretty(&samples).map(|text| std::fs::write(path, text));
        if !matches!(saved, Ok(Ok(()))) {
            eprintln!("the exchanges can't be saved: {saved:?}");
        }
    }
}

/// Names the file where one exchange of each operation and status is saved, for the mutation tests.
const SAVE: &str = "CONTRACT_SAMPLES";

/// A place without the numbers of items: what is wrong with one is wrong with all.
fn without_numbers(place: &str) -> String {
    let part = |part: &str| if part.parse::<u64>().is_ok() { "*".to_owned() } else { part.to_owned() };
    place.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// A path that is of no operation, without ids, so that it is told once.
fn without_ids(operation: &str) -> String {
    let part = |part: &str| match uuid::Uuid::parse_str(part) {
        Ok(_) => "*".to_owned(),
        Err(_) => part.to_owned(),
    };
    operation.split('/').map(part).collect::<Vec<_>>().join("/")
}
