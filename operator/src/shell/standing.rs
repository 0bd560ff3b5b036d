//! From how an object stands to its conditions, by the rules of kstatus. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use azureml_crds::{conditions, reasons};

use crate::error::{Halt, Remedy};

/// The longest message a condition may carry (the API allows 32768 characters; people read the first lines).
const MESSAGE_LIMIT: usize = 2048;

/// How an object stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// What is wanted is what is.
    Ready {
        /// A constant of [`reasons`].
        reason: &'static str,
        /// One sentence.
        message: String,
    },
    /// Work is under way, or something else has to come first.
    Progressing {
        /// A constant of [`reasons`].
        reason: &'static str,
        /// What is awaited.
        message: String,
    },
    /// Only a change by a person can help.
    Stalled {
        /// A constant of [`reasons`].
        reason: &'static str,
        /// What happened, where, what to do next.
        message: String,
    },
    /// It serves as wanted before, and something newer is under way or refused: Ready stays as it was.
    Holding {
        /// A constant of [`reasons`].
        reason: &'static str,
        /// What goes on.
        message: String,
    },
}

impl Standing {
    /// Ready.
    pub fn ready(message: impl Into<String>) -> Self {
        Self::Ready { reason: reasons::SUCCEEDED, message: message.into() }
    }

    /// Under way.
    pub fn progressing(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Progressing { reason, message: message.into() }
    }

    /// Waiting for a person.
    pub fn stalled(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Stalled { reason, message: message.into() }
    }
}

impl From<&Halt> for Standing {
    fn from(halt: &Halt) -> Self {
        match halt.remedy {
            Remedy::Person => Self::stalled(halt.reason, halt.message.clone()),
            Remedy::Await => Self::progressing(halt.reason, halt.message.clone()),
            // What passes by itself says nothing about what was already reached.
            Remedy::Retry(_) | Remedy::Turn(_) => Self::Holding { reason: halt.reason, message: halt.message.clone() },
        }
    }
}

/// A condition beside Ready, Reconciling and Stalled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// The type, a constant of [`conditions`].
    pub kind: &'static str,
    /// `None` is Unknown.
    pub status: Option<bool>,
    /// A constant of [`reasons`].
    pub reason: &'static str,
    /// One sentence.
    pub message: String,
}

impl Extra {
    /// A condition of this type.
    pub fn new(
        kind: &'static str,
        status: impl Into<Option<bool>>,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { kind, status: status.into(), reason, message: message.into() }
    }
}

/// Type, status, reason and message.
type Wanted<'a> = (&'a str, String, &'a str, String);

/// The usual three, as far as `standing` speaks of them.
fn wanted<'a>(old: &'a [Condition], standing: &'a Standing) -> Vec<Wanted<'a>> {
    let before = old.iter().find(|condition| condition.type_ == conditions::READY);
    let mut wanted: Vec<Wanted<'_>> = Vec::new();
    match standing {
        Standing::Ready { reason, message } => {
            wanted.push((conditions::READY, text(Some(true)), reason, message.clone()))
        }
        Standing::Progressing { reason, message } => {
            // First touch: nothing is known yet.
            let ready = if before.is_none() { None } else { Some(false) };
            wanted.push((conditions::READY, text(ready), reason, message.clone()));
            wanted.push((conditions::RECONCILING, text(Some(true)), reason, message.clone()));
        }
        Standing::Stalled { reason, message } => {
            wanted.push((conditions::READY, text(Some(false)), reason, message.clone()));
            wanted.push((conditions::STALLED, text(Some(true)), reason, message.clone()));
        }
        Standing::Holding { reason, message } => {
            match before {
                Some(ready) if ready.status == "True" => {
                    wanted.push((
                        conditions::READY,
                        ready.status.clone(),
                        ready.reason.as_str(),
                        ready.message.clone(),
                    ));
                }
                Some(_) => wanted.push((conditions::READY, text(Some(false)), reason, message.clone())),
                None => wanted.push((conditions::READY, text(None), reason, message.clone())),
            }
            wanted.push((conditions::RECONCILING, text(Some(true)), reason, message.clone()));
        }
    }
    wanted
}

/// The conditions that follow from `standing` and `extras`; `lastTransitionTime` is kept where the status stays.
/// A condition beside the three that is not named in `extras` is kept as it was.
#[must_use]
pub fn merge(
    old: &[Condition],
    standing: &Standing,
    extras: &[Extra],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let mut wanted = wanted(old, standing);
    // What serves as it was wanted before says nothing of a newer spec: Ready goes on speaking of the one that it served.
    let served = old.iter().find(|condition| condition.type_ == conditions::READY && condition.status == "True");
    let served = served.filter(|_| matches!(standing, Standing::Holding { .. }));
    for extra in extras {
        wanted.push((extra.kind, text(extra.status), extra.reason, extra.message.clone()));
    }
    let mut merged: Vec<Condition> = wanted
        .into_iter()
        .map(|(kind, status, reason, message)| {
            let since = old
                .iter()
                .find(|condition| condition.type_ == kind && condition.status == status)
                .map_or(Time(now), |condition| condition.last_transition_time.clone());
            Condition {
                type_: kind.to_owned(),
                status,
                reason: reason.to_owned(),
                message: cut(&message),
                observed_generation: match served {
                    Some(served) if kind == conditions::READY => served.observed_generation,
                    _ => Some(generation),
                },
                last_transition_time: since,
            }
        })
        .collect();
    let kept: Vec<Condition> = old
        .iter()
        .filter(|condition| !shell_owned(&condition.type_) && !merged.iter().any(|new| new.type_ == condition.type_))
        .cloned()
        .collect();
    merged.extend(kept);
    merged
}

fn shell_owned(kind: &str) -> bool {
    [conditions::READY, conditions::RECONCILING, conditions::STALLED].contains(&kind)
}

fn text(status: Option<bool>) -> String {
    match status {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    }
    .to_owned()
}

fn cut(message: &str) -> String {
    if message.chars().count() <= MESSAGE_LIMIT {
        return message.to_owned();
    }
    message.chars().take(MESSAGE_LIMIT - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn find<'a>(all: &'a [Condition], kind: &str) -> Option<&'a Condition> {
        all.iter().find(|condition| condition.type_ == kind)
    }

    #[test]
    fn a_first_touch_is_unknown_and_reconciling() {
        let merged = merge(&[], &Standing::progressing(reasons::PROGRESSING, "starts"), &[], 1, at(0));
        assert_eq!(find(&merged, conditions::READY).unwrap().status, "Unknown");
        assert_eq!(find(&merged, conditions::RECONCILING).unwrap().status, "True");
        assert!(find(&merged, conditions::STALLED).is_none());
    }

    #[test]
    fn reconciling_and_stalled_are_never_both_true() {
        let mut all = Vec::new();
        for standing in [
            Standing::progressing(reasons::PROGRESSING, "a"),
            Standing::stalled(reasons::NOT_OWNED, "b"),
            Standing::Holding { reason: reasons::THROTTLED, message: "c".into() },
            Standing::ready("d"),
        ] {
            all = merge(&all, &standing, &[], 1, at(1));
            assert!(find(&all, conditions::RECONCILING).is_none() || find(&all, conditions::STALLED).is_none());
        }
        assert_eq!(all.len(), 1);
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let first = merge(&[], &Standing::ready("one"), &[], 1, at(0));
        let second = merge(&first, &Standing::ready("two"), &[], 2, at(5));
        assert_eq!(second[0].last_transition_time, Time(at(0)));
        assert_eq!(second[0].message, "two");
        assert_eq!(second[0].observed_generation, Some(2));
        let third = merge(&second, &Standing::stalled(reasons::NOT_OWNED, "no"), &[], 2, at(9));
        assert_eq!(find(&third, conditions::READY).unwrap().last_transition_time, Time(at(9)));
    }

    #[test]
    fn what_passes_by_itself_leaves_ready_as_it_was() {
        let ready = merge(&[], &Standing::ready("fine"), &[], 1, at(0));
        let held =
            merge(&ready, &Standing::Holding { reason: reasons::THROTTLED, message: "429".into() }, &[], 1, at(1));
        assert_eq!(find(&held, conditions::READY).unwrap().status, "True");
        assert_eq!(find(&held, conditions::RECONCILING).unwrap().reason, reasons::THROTTLED);
    }

    #[test]
    fn what_served_before_a_change_is_not_ready_for_the_change() {
        let ready = merge(&[], &Standing::ready("fine"), &[], 1, at(0));
        let holding = Standing::Holding { reason: reasons::THROTTLED, message: "429".into() };
        let held = merge(&ready, &holding, &[], 2, at(1));
        let of = |all: &[Condition], kind: &str| find(all, kind).unwrap().observed_generation;
        assert_eq!((of(&held, conditions::READY), of(&held, conditions::RECONCILING)), (Some(1), Some(2)));
        let done = merge(&held, &Standing::ready("changed"), &[], 2, at(2));
        assert_eq!(of(&done, conditions::READY), Some(2));
    }

    #[test]
    fn other_conditions_stay_until_they_are_named() {
        let extra = Extra::new(conditions::AVAILABLE, true, reasons::SUCCEEDED, "serves");
        let with = merge(&[], &Standing::ready("fine"), &[extra], 1, at(0));
        let without = merge(&with, &Standing::stalled(reasons::NOT_OWNED, "no"), &[], 1, at(1));
        assert_eq!(find(&without, conditions::AVAILABLE).unwrap().status, "True");
    }
}
