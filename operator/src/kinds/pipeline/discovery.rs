//! Runs that Azure started by itself: which of its jobs are to be shown here. Pure.
//!
//! Each job is dealt with once: it is shown as an AmlPipelineRun, or left out because the history would drop it at once.
//! What was dealt with is remembered by a mark, so that a run that was pruned here does not come back.

use azureml_crds::pipeline::Discovery;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// How much later than a younger one a job may appear in Azure's lists.
const LATE: SignedDuration = SignedDuration::from_hours(1);
/// Names that a mark holds.
const NAMES: usize = 100;
/// Jobs that are shown at a time.
const AT_ONCE: usize = 20;

/// A job that Azure started for the pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// When it was made, in whole seconds: a mark in a status has no finer time.
    pub created: Timestamp,
    /// How it ended: well or not; `None` while it has not.
    pub ended: Option<bool>,
    /// `Schedule` or `Published`.
    pub cause: &'static str,
}

/// How many finished runs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Of those that succeeded.
    pub succeeded: usize,
    /// Of those that did not.
    pub failed: usize,
}

/// What is next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Show these jobs.
    Show(Vec<Found>),
    /// All are dealt with: remember that.
    Remember(Discovery),
    /// Nothing new.
    Nothing,
}

/// What is next, by the jobs that Azure has, the mark, and whether a job is shown here.
#[must_use]
pub fn next(mark: Option<&Discovery>, found: &[Found], is_shown: impl Fn(&str) -> bool, keep: Keep) -> Step {
    let mut new: Vec<&Found> = found.iter().filter(|job| !is_known(mark, job)).collect();
    if new.is_empty() {
        return Step::Nothing;
    }
    new.sort_by(|left, right| (right.created, &right.name).cmp(&(left.created, &left.name)));
    let of = |ended: Option<bool>| new.iter().copied().filter(move |job| job.ended == ended);
    let wanted = of(None)
        .chain(of(Some(true)).take(keep.succeeded))
        .chain(of(Some(false)).take(keep.failed))
        .filter(|job| !is_shown(&job.name));
    let mut wanted: Vec<Found> = wanted.cloned().collect();
    if wanted.is_empty() {
        return Step::Remember(remembered(mark, found));
    }
    wanted.sort_by(|left, right| (left.created, &left.name).cmp(&(right.created, &right.name)));
    wanted.truncate(AT_ONCE);
    Step::Show(wanted)
}

fn is_known(mark: Option<&Discovery>, job: &Found) -> bool {
    let Some(mark) = mark else { return false };
    mark.before.as_ref().is_some_and(|before| job.created < before.0) || mark.jobs.contains(&job.name)
}

/// A mark by which all of these are known.
fn remembered(mark: Option<&Discovery>, found: &[Found]) -> Discovery {
    let mut all: Vec<(Timestamp, &str)> = found.iter().map(|job| (job.created, job.name.as_str())).collect();
    all.sort_unstable();
    let newest = all.last().map(|(created, _)| *created).unwrap_or_default();
    let before = mark.and_then(|mark| mark.before.as_ref()).map_or(Timestamp::MIN, |before| before.0);
    let before = before.max(newest.checked_sub(LATE).unwrap_or(Timestamp::MIN));
    let mut since: Vec<(Timestamp, &str)> = all.into_iter().filter(|(created, _)| *created >= before).collect();
    let mut before = before;
    if since.len() > NAMES {
        // The oldest are known by their age instead: all of a moment, or none of it.
        let last = since.len() - NAMES;
        let edge = since.get(last).map(|(created, _)| *created).unwrap_or(newest);
        let first_kept = since.iter().position(|(created, _)| *created > edge).unwrap_or(since.len());
        let from = since.get(first_kept).map_or(edge, |(created, _)| *created);
        before = if first_kept < since.len() { from } else { after(edge) };
        since.drain(..first_kept);
    }
    let jobs = since.into_iter().map(|(_, name)| name.to_owned()).collect();
    Discovery { before: Some(Time(before)), jobs }
}

fn after(at: Timestamp) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(1)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const KEEP: Keep = Keep { succeeded: 2, failed: 1 };

    fn job(name: &str, second: i64, ended: Option<bool>) -> Found {
        let created = Timestamp::from_second(1_790_000_000 + second).unwrap();
        Found { name: name.into(), created, ended, cause: "Schedule" }
    }

    #[test]
    fn jobs_are_shown_once_the_oldest_first() {
        let found = [job("b", 2, Some(true)), job("a", 1, None)];
        assert_eq!(next(None, &found, |_| false, KEEP), Step::Show(vec![found[1].clone(), found[0].clone()]));
        assert_eq!(next(None, &found, |name| name == "a", KEEP), Step::Show(vec![found[0].clone()]));
        let Step::Remember(mark) = next(None, &found, |_| true, KEEP) else { panic!() };
        assert_eq!(next(Some(&mark), &found, |_| false, KEEP), Step::Nothing, "pruned ones don't come back");
    }

    #[test]
    fn what_history_would_drop_at_once_is_never_shown() {
        let found: Vec<Found> = (0..50).map(|at| job(&format!("j{at}"), at, Some(at % 2 == 0))).collect();
        let mut shown = BTreeSet::new();
        while let Step::Show(jobs) = next(None, &found, |name| shown.contains(name), KEEP) {
            shown.extend(jobs.into_iter().map(|job| job.name));
        }
        assert_eq!(shown, ["j46", "j48", "j49"].map(str::to_owned).into());
    }

    #[test]
    fn a_job_that_azure_lists_late_is_found_too() {
        let found = [job("late", 5, None), job("b", 10, None)];
        let Step::Remember(mark) = next(None, &found[1..], |_| true, KEEP) else { panic!() };
        assert_eq!(next(Some(&mark), &found, |name| name == "b", KEEP), Step::Show(vec![found[0].clone()]));
    }

    proptest! {
        /// However jobs come, end, and are forgotten here, none is shown twice, and the mark stays short.
        #[test]
        fn none_is_shown_twice(steps in prop::collection::vec((0..40_i64, 0..4_u8, any::<bool>()), 1..90)) {
            let (mut found, mut now): (Vec<Found>, i64) = (Vec::new(), 0);
            let (mut mark, mut here, mut ever) = (None, BTreeSet::new(), BTreeSet::new());
            for (index, (wait, jobs, prune)) in steps.into_iter().enumerate() {
                now += wait;
                for number in 0..jobs {
                    found.push(job(&format!("{index}-{number}"), now, Some(number % 2 == 0)));
                }
                loop {
                    match next(mark.as_ref(), &found, |name| here.contains(name), Keep { succeeded: 100, failed: 100 }) {
                        Step::Show(jobs) => {
                            for job in jobs {
                                prop_assert!(ever.insert(job.name.clone()), "{} twice", job.name);
                                here.insert(job.name);
                            }
                        }
                        Step::Remember(new) => mark = Some(new),
                        Step::Nothing => break,
                    }
                }
                prop_assert!(mark.as_ref().is_none_or(|mark: &Discovery| mark.jobs.len() <= NAMES));
                if prune {
                    here.clear();
                }
            }
            prop_assert_eq!(ever.len(), found.len(), "all were shown");
        }
    }
}
