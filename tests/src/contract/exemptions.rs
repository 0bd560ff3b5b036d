//! What is known to differ from the documents, each with its reason: tests/contract/exemptions.yaml.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;

use super::check::Violation;
use crate::failure::{Result, While};

const FILE: &str = include_str!("../../contract/exemptions.yaml");

/// An exemption.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exemption {
    /// The operation; `*` for all.
    pub operation: String,
    /// `request` or `answer`.
    pub side: String,
    /// Where, as a violation tells it; `*` stands for one part between slashes.
    pub place: String,
    /// A part of what is wrong.
    pub what: String,
    /// Why it may be so.
    pub reason: String,
    #[serde(skip)]
    used: AtomicU64,
}

/// All exemptions.
#[derive(Debug)]
pub struct Exemptions(Vec<Exemption>);

impl Exemptions {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is not as expected.
    pub fn load() -> Result<Self> {
        Ok(Self(serde_saphyr::from_str(FILE).doing("tests/contract/exemptions.yaml")?))
    }

    /// Whether a violation is exempt.
    #[must_use]
    pub fn cover(&self, violation: &Violation) -> bool {
        let found = self.0.iter().find(|known| known.covers(violation));
        found.is_some_and(|known| known.used.fetch_add(1, Ordering::Relaxed) < u64::MAX)
    }

    /// All of them, with how often each was used.
    pub fn used(&self) -> impl Iterator<Item = (&Exemption, u64)> {
        self.0.iter().map(|known| (known, known.used.load(Ordering::Relaxed)))
    }
}

impl Exemption {
    fn covers(&self, violation: &Violation) -> bool {
        (self.operation == "*" || self.operation == violation.operation)
            && self.side == violation.side.as_str()
            && same_place(&self.place, &violation.place)
            && violation.what.contains(&self.what)
    }
}

fn same_place(pattern: &str, place: &str) -> bool {
    let (pattern, place): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), place.split('/').collect());
    pattern.len() == place.len() && pattern.iter().zip(&place).all(|(known, part)| *known == "*" || known == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::check::Side;

    fn exemption(operation: &str, place: &str) -> Exemption {
        Exemption {
            operation: operation.to_owned(),
            side: "answer".to_owned(),
            place: place.to_owned(),
            what: "unexpected".to_owned(),
            reason: "a reason".to_owned(),
            used: AtomicU64::default(),
        }
    }

    #[test]
    fn an_exemption_covers_no_more_than_it_says() {
        let violation = Violation {
            operation: "Jobs_Get".to_owned(),
            side: Side::Answer,
            place: "/value/3/properties".to_owned(),
            what: "'x' was unexpected".to_owned(),
        };
        for (operation, place, covers) in [
            ("Jobs_Get", "/value/3/properties", true),
            ("*", "/value/*/properties", true),
            ("Jobs_List", "/value/*/properties", false),
            ("Jobs_Get", "/value/*", false),
            ("Jobs_Get", "*", false),
        ] {
            assert_eq!(exemption(operation, place).covers(&violation), covers, "{operation} {place}");
        }
        let sent = Violation { side: Side::Request, ..violation };
        assert!(!exemption("*", "/value/3/properties").covers(&sent));
    }

    #[test]
    fn every_exemption_has_a_reason() {
        for (known, _) in Exemptions::load().unwrap().used() {
            assert!(known.reason.len() > 20, "{known:?}");
        }
    }
}
