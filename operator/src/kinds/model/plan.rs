//! What is next for a model. Pure.

use azureml_crds::model::Verdict;
use azureml_crds::policies::AdoptionPolicy;
use azureml_crds::{AmlModel, AmlResource, annotations, conditions, reasons};

use super::approval::{Answer, Question, Refusal};
use super::version::Version;
use super::{Action, Candidate, Observed, gate};
use crate::error::Halt;
use crate::ownership::{Ownership, foreign};
use crate::shell::{Extra, Next, Plan, Standing};

/// The question that an object and what was observed ask.
pub fn question<'a>(object: &'a AmlModel, observed: &'a Observed) -> Question<'a> {
    let status = object.status.as_ref();
    let existing = object.spec.sources.iter().filter_map(|source| source.existing.as_ref());
    Question {
        gate: object.spec.gate.as_ref(),
        pinned: object.spec.approved_version.as_deref(),
        overridden: object.annotation(annotations::OVERRIDE_GATE),
        approved_by_hand: object.annotation(annotations::APPROVE),
        existing: existing.map(|existing| existing.version.as_str()).collect(),
        versions: &observed.versions,
        before: status.and_then(|status| status.approved.as_ref()).map(|approved| approved.version.as_str()),
    }
}

pub fn plan(object: &AmlModel, observed: &Observed) -> Plan<Action> {
    let question = question(object, observed);
    let answer = question.decide();
    let latest_accepted = accepted(&answer);
    let mut plan = owned(object, observed)
        .or_else(|| next(object, observed, &question, &answer))
        .unwrap_or_else(|| Plan { next: Next::Rest, standing: standing(observed, &answer), extras: Vec::new() });
    plan.extras.extend(latest_accepted);
    plan
}

/// The container must be ours before anything is registered in it.
fn owned(object: &AmlModel, observed: &Observed) -> Option<Plan<Action>> {
    if !object.spec.sources.iter().any(|source| source.existing.is_none()) {
        return None;
    }
    let what = format!("Model {:?}", object.azure_name());
    match observed.ownership() {
        None if observed.candidates.is_empty() => None,
        None => {
            Some(Plan::act(Action::CreateContainer, reasons::PROGRESSING, format!("{what} is being made in Azure.")))
        }
        Some(Ownership::Ours(_)) => None,
        Some(Ownership::Reattach(_)) => Some(Plan::act(
            Action::TagContainer { adopt: false },
            reasons::REATTACHED,
            format!("{what} was found again."),
        )),
        Some(Ownership::Taken { uid }) => Some(Plan::halted(&observed.owner.taken(&what, &uid))),
        Some(Ownership::Foreign { .. }) if object.adoption_policy() == AdoptionPolicy::Adopt => {
            Some(Plan::act(Action::TagContainer { adopt: true }, reasons::ADOPTED, format!("{what} is taken over.")))
        }
        Some(Ownership::Foreign { owner }) => {
            let help = "Add versions to it (adoptionPolicy: Adopt), or make a new AmlModel with another azureName.";
            Some(Plan::halted(&foreign(&what, owner.as_deref(), help)))
        }
    }
}

/// The first thing that is to be done about versions.
fn next(object: &AmlModel, observed: &Observed, question: &Question, answer: &Answer) -> Option<Plan<Action>> {
    let act = |action, message: String| {
        // What serves goes on serving while a version is added.
        let standing = match answer.approved {
            Some(_) => standing(observed, answer),
            None => Standing::progressing(reasons::PROGRESSING, message),
        };
        Some(Plan { next: Next::Act(action), standing, extras: Vec::new() })
    };
    for candidate in &observed.candidates {
        match observed.of_source(&candidate.source) {
            None => {
                let message = format!("{} is being registered as a new version.", candidate.source);
                return act(register(candidate, question), message);
            }
            Some(version) if version.archived && answer.latest.as_ref() == Some(&version.version) => {
                return act(
                    Action::Restore(version.version.clone()),
                    format!("Version {} is shown again.", version.version),
                );
            }
            Some(_) => {}
        }
    }
    if let Some((version, (verdict, reason))) = to_mark(question, answer, &observed.versions) {
        let message = format!("Version {} is {}.", version.version, verdict.as_str());
        let gate_hash = gate::hash(question.gate);
        return act(Action::Mark { version: version.version.clone(), verdict, gate_hash, reason }, message);
    }
    let old = beyond_history(object, observed, answer)?;
    act(Action::Archive(old.clone()), format!("Version {old} is archived."))
}

/// A candidate as the version it will be.
fn register(candidate: &Candidate, question: &Question) -> Action {
    let version = Version {
        // No version can have this name: nothing that names a version means this one.
        version: String::new(),
        ours: true,
        metrics: candidate.metrics.clone(),
        data: candidate.data.clone(),
        ..Version::default()
    };
    let (verdict, reason) = question.verdict(&version);
    Action::Register { candidate: Box::new(candidate.clone()), verdict, gate_hash: gate::hash(question.gate), reason }
}

/// The newest or the approved version, where its tags don't say what the gate says.
fn to_mark<'a>(
    question: &Question,
    answer: &Answer,
    versions: &'a [Version],
) -> Option<(&'a Version, (Verdict, String))> {
    let hash = gate::hash(question.gate);
    [&answer.latest, &answer.approved].into_iter().flatten().find_map(|name| {
        let version = versions.iter().find(|version| version.version == *name && version.ours)?;
        let (verdict, reason) = question.verdict(version);
        let differs = version.verdict != Some(verdict) || version.gate_hash.as_deref() != Some(hash.as_str());
        differs.then_some((version, (verdict, reason)))
    })
}

/// The oldest version beyond what is kept, never one that is approved, named or served.
fn beyond_history(object: &AmlModel, observed: &Observed, answer: &Answer) -> Option<String> {
    let keep = usize::try_from(object.spec.version_history.as_ref()?.keep).ok()?;
    let mut ours: Vec<&Version> =
        observed.versions.iter().filter(|version| version.ours && !version.archived).collect();
    ours.sort_by_key(|version| std::cmp::Reverse(version.number()));
    let needed = |version: &Version| {
        answer.approved.as_ref() == Some(&version.version)
            || object.spec.approved_version.as_ref() == Some(&version.version)
            || observed.in_use.contains(&version.version)
    };
    ours.into_iter().skip(keep).filter(|version| !needed(version)).map(|version| version.version.clone()).next_back()
}

fn standing(observed: &Observed, answer: &Answer) -> Standing {
    if let Some(refusal) = &answer.refused {
        return refused(refusal);
    }
    if let Some(approved) = &answer.approved {
        return Standing::ready(format!("Version {approved} is approved."));
    }
    match (&answer.latest, &answer.verdict) {
        (Some(latest), Some((Verdict::Pending, why))) => {
            Standing::progressing(reasons::WAITING_FOR_APPROVAL, format!("Version {latest}: {why}"))
        }
        (Some(latest), Some((verdict, why))) => Standing::stalled(
            reasons::NO_APPROVED_VERSION,
            format!(
                "No version is approved. The newest, {latest}, is {}: {why}. A new run, or another gate, gives the next chance.",
                verdict.as_str()
            ),
        ),
        _ => nothing_yet(&observed.waits),
    }
}

fn nothing_yet(waits: &[Halt]) -> Standing {
    waits.first().map_or_else(
        || {
            Standing::stalled(
                reasons::MODEL_VERSION_NOT_FOUND,
                "The version that spec.sources names under existing is not in the workspace. Correct it, or register that version.",
            )
        },
        Standing::from,
    )
}

fn refused(refusal: &Refusal) -> Standing {
    match refusal {
        Refusal::Missing(version) => Standing::stalled(
            reasons::MODEL_VERSION_NOT_FOUND,
            format!("spec.approvedVersion names version {version:?}, which does not exist. Correct it, or remove it."),
        ),
        Refusal::Rejected { version, why } => Standing::stalled(
            reasons::GATE_FAILED,
            format!(
                "spec.approvedVersion names version {version:?}, which did not pass its gate ({why}). Name another one, or set the annotation {}: {version:?} to serve it all the same.",
                annotations::OVERRIDE_GATE
            ),
        ),
        Refusal::Foreign(version) => Standing::stalled(
            reasons::NOT_OWNED,
            format!(
                "spec.approvedVersion names version {version:?}, which somebody else registered. Name it in spec.sources under existing to serve it."
            ),
        ),
    }
}

/// The condition that tells of the newest version.
fn accepted(answer: &Answer) -> Option<Extra> {
    let (latest, (verdict, why)) = (answer.latest.as_ref()?, answer.verdict.as_ref()?);
    let (status, reason) = match verdict {
        Verdict::Approved => (true, reasons::GATE_PASSED),
        Verdict::Rejected => (false, reasons::GATE_FAILED),
        Verdict::Pending => (false, reasons::WAITING_FOR_APPROVAL),
        Verdict::Inconclusive | Verdict::Foreign => (false, reasons::GATE_INCONCLUSIVE),
    };
    Some(Extra::new(conditions::LATEST_ACCEPTED, status, reason, format!("Version {latest}: {why}")))
}
