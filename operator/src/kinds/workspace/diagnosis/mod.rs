//! What a workspace lacks, found before it is needed: a registration, roles, quota, storage, a place for logs.
//!
//! Azure is asked at the start, when the spec changes, and once in a while (`--diagnose-interval`), soon again where something
//! was missing. What is known is kept in memory, so that a workspace at rest costs no write; what follows from it for
//! the objects of the moment is thought anew each time.

pub mod demand;
pub mod facts;
pub mod findings;
pub mod quota;

use std::collections::HashMap;
use std::sync::Mutex;

use azureml::resources::workspaces::WorkspaceResource;
use azureml_crds::{AmlResource, AmlWorkspace};
use jiff::Timestamp;

use self::demand::Demand;
use self::facts::{Fact, Facts, Storage};
use self::findings::findings;
use crate::context::Context;
use crate::shell::Extra;

/// What is known of each workspace, by uid.
#[derive(Debug, Default)]
pub struct Diagnoses(Mutex<HashMap<String, Facts>>);

impl Diagnoses {
    fn get(&self, uid: &str) -> Option<Facts> {
        self.0.lock().ok()?.get(uid).cloned()
    }

    fn put(&self, uid: &str, facts: Facts) {
        if let Ok(mut all) = self.0.lock() {
            all.insert(uid.to_owned(), facts);
        }
    }

    /// The workspace is gone.
    pub fn forget(&self, uid: &str) {
        if let Ok(mut all) = self.0.lock() {
            all.remove(uid);
        }
    }
}

/// How a workspace stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// One condition each.
    pub findings: Vec<Extra>,
    /// When it is looked at again before the next resync, as something is missing.
    pub again: Option<Timestamp>,
}

/// Finds out how the workspace stands, asking Azure what is not known.
pub async fn diagnose(
    context: &Context,
    object: &AmlWorkspace,
    azure: &azureml::Workspace,
    found: Option<&WorkspaceResource>,
) -> Diagnosis {
    let now = context.now();
    let demand = Demand::of(&context.stores, object);
    let (generation, exists) = (object.generation(), found.is_some());
    let insights = found.and_then(|found| found.properties.application_insights.as_deref());
    let known = context.diagnoses.get(object.uid()).filter(|facts| facts.fit(generation, exists));
    let (mut facts, ask) = match known {
        // Who got no answer does not ask again at once.
        Some(facts) if now < due(context, object, &facts, insights, &demand) => (facts.clone(), !facts.unanswered),
        Some(facts) => (renewed(&facts, now), true),
        None => (Facts::new(generation, exists, now), true),
    };
    if ask {
        let location = found.map(|found| found.location.as_str()).unwrap_or_default();
        facts::read(azure, location, insights, &demand, &mut facts).await;
    }
    let all = findings(object, &facts, insights, &demand);
    let again = (facts.unanswered || lacks(&all)).then(|| due(context, object, &facts, insights, &demand));
    context.diagnoses.put(object.uid(), facts);
    Diagnosis { findings: all, again }
}

fn lacks(findings: &[Extra]) -> bool {
    findings.iter().any(|one| one.status == Some(false))
}

/// When what is known is too old.
fn due(context: &Context, object: &AmlWorkspace, facts: &Facts, insights: Option<&str>, demand: &Demand) -> Timestamp {
    let soon = facts.unanswered || lacks(&findings(object, facts, insights, demand));
    let after = if soon { context.settings.stalled_retry } else { context.settings.diagnose_interval };
    facts.read_at.checked_add(after).unwrap_or(Timestamp::MAX)
}

/// All is asked again but what was good and costs more than a look: storage that answered shows itself when it is used.
fn renewed(facts: &Facts, now: Timestamp) -> Facts {
    let storage = match &facts.storage {
        known @ Fact::Known(Storage::Reached(_)) => known.clone(),
        _ => Fact::Unread,
    };
    Facts { storage, ..Facts::new(facts.generation, facts.exists, now) }
}
