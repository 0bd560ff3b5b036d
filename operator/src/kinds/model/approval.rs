//! Which version is approved. Pure.

use azureml_crds::model::{Approval, Gate, Verdict};

use super::gate::{self, Measured};
use super::version::Version;

/// What a decision rests on.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The gate.
    pub gate: Option<&'a Gate>,
    /// `spec.approvedVersion`.
    pub pinned: Option<&'a str>,
    /// The version that the annotation `override-gate` names.
    pub overridden: Option<&'a str>,
    /// The version that the annotation `approve` names.
    pub approved_by_hand: Option<&'a str>,
    /// Versions that a source names as existing.
    pub existing: Vec<&'a str>,
    /// The versions.
    pub versions: &'a [Version],
    /// The version that status says is approved.
    pub before: Option<&'a str>,
}

/// What follows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The version that is approved.
    pub approved: Option<String>,
    /// The newest version that counts.
    pub latest: Option<String>,
    /// What the gate says of it, and why.
    pub verdict: Option<(Verdict, String)>,
    /// Why the version that the spec names is refused.
    pub refused: Option<Refusal>,
}

/// Why the version that the spec names is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not exist.
    Missing(String),
    /// It did not pass its gate.
    Rejected {
        /// The version.
        version: String,
        /// Why it did not.
        why: String,
    },
    /// Somebody else registered it.
    Foreign(String),
}

impl Question<'_> {
    fn find(&self, version: &str) -> Option<&Version> {
        self.versions.iter().find(|known| known.version == version)
    }

    fn counts(&self, version: &Version) -> bool {
        version.ours || self.existing.contains(&version.version.as_str())
    }

    /// The newest version that counts.
    fn latest(&self) -> Option<&Version> {
        self.versions
            .iter()
            .filter(|version| self.counts(version))
            .max_by(|left, right| (left.number(), &left.version).cmp(&(right.number(), &right.version)))
    }

    /// The version that is approved so far: by status, or, where that was lost, by the versions' own tags.
    #[must_use]
    pub fn approved_before(&self) -> Option<&Version> {
        let by_status = self.before.and_then(|version| self.find(version)).filter(|version| self.counts(version));
        by_status.or_else(|| {
            self.versions
                .iter()
                .filter(|version| version.ours && version.verdict == Some(Verdict::Approved))
                .max_by_key(|version| version.number())
        })
    }

    /// What the gate says of a version. A verdict stays while the bounds do; only what was open is judged again.
    #[must_use]
    pub fn verdict(&self, version: &Version) -> (Verdict, String) {
        let recorded = version.verdict.zip(version.reason.clone());
        let same_gate = version.gate_hash.as_deref() == Some(gate::hash(self.gate).as_str());
        if let Some((verdict @ (Verdict::Approved | Verdict::Rejected), why)) = recorded
            && same_gate
        {
            return (verdict, why);
        }
        let before = self.approved_before();
        if let Some(before) = before
            && before.version == version.version
            && version.verdict != Some(Verdict::Rejected)
        {
            // What serves is not taken back by a change of its gate.
            return (
                Verdict::Approved,
                version.reason.clone().unwrap_or_else(|| "It is the approved version.".to_owned()),
            );
        }
        let baseline = before.map(measured);
        let (verdict, why) = gate::judge(self.gate, &measured(version), baseline.as_ref());
        if verdict != Verdict::Approved || self.approval() == Approval::Automatic {
            return (verdict, why);
        }
        if self.approved_by_hand == Some(version.version.as_str()) || self.pinned == Some(version.version.as_str()) {
            return (Verdict::Approved, why);
        }
        (
            Verdict::Pending,
            format!("It passes ({why}) and waits for a person: write {:?} in spec.approvedVersion.", version.version),
        )
    }

    fn approval(&self) -> Approval {
        self.gate.and_then(|gate| gate.approval).unwrap_or_default()
    }

    /// Decides.
    #[must_use]
    pub fn decide(&self) -> Answer {
        let latest = self.latest();
        let before = self.approved_before().map(|version| version.version.clone());
        let mut answer = Answer {
            latest: latest.map(|version| version.version.clone()),
            verdict: latest.map(|version| self.verdict(version)),
            approved: before,
            refused: None,
        };
        match self.pinned {
            Some(pinned) => match self.pin(pinned) {
                Ok(()) => answer.approved = Some(pinned.to_owned()),
                Err(refusal) => answer.refused = Some(refusal),
            },
            None => {
                if let (Some(version), Some((Verdict::Approved, _))) = (latest, &answer.verdict) {
                    answer.approved = Some(version.version.clone());
                }
            }
        }
        answer
    }

    /// Whether the version that the spec names may serve.
    fn pin(&self, pinned: &str) -> Result<(), Refusal> {
        let version = self.find(pinned).ok_or_else(|| Refusal::Missing(pinned.to_owned()))?;
        if !self.counts(version) {
            return Err(Refusal::Foreign(pinned.to_owned()));
        }
        let (verdict, why) = self.verdict(version);
        if verdict == Verdict::Rejected && self.overridden != Some(pinned) {
            return Err(Refusal::Rejected { version: pinned.to_owned(), why });
        }
        Ok(())
    }
}

/// What was measured of a version.
#[must_use]
pub fn measured(version: &Version) -> Measured<'_> {
    Measured { name: &version.version, metrics: &version.metrics, data: &version.data }
}

#[cfg(test)]
#[path = "approval_tests.rs"]
mod tests;
