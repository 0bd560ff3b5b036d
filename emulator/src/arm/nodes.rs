//! The nodes of a training cluster: they follow the jobs that run on it, and stay idle for a while after the last.
//!
//! A job takes one node, whatever it is.

use super::Arm;
use crate::automl::request::iso_duration;
use crate::run_history::run::{Run, RunError, RunKind, Status};
use crate::run_history::store::Runs;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// What a cluster's nodes did or do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Work {
    /// The run.
    run: String,
    /// The job that it belongs to.
    root: String,
    from: Timestamp,
    /// None while it goes on.
    until: Option<Timestamp>,
    /// It has its node, rather than waits for it.
    running: bool,
}

/// How many nodes a cluster keeps and may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Scale {
    least: usize,
    most: usize,
    idle: SignedDuration,
}

impl Scale {
    fn of(known: &Value) -> Self {
        let own = known.pointer("/properties/properties/scaleSettings");
        let number = |field: &str| own.and_then(|own| own.get(field)).and_then(Value::as_u64);
        let idle = own.and_then(|own| own.get("nodeIdleTimeBeforeScaleDown")).and_then(Value::as_str);
        Self {
            least: number("minNodeCount").unwrap_or(0) as usize,
            most: number("maxNodeCount").unwrap_or(1) as usize,
            // Azure's own choice is two minutes.
            idle: idle
                .and_then(iso_duration)
                .and_then(|idle| SignedDuration::try_from(idle).ok())
                .unwrap_or(SignedDuration::from_mins(2)),
        }
    }
}

/// Nodes by what they do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Nodes {
    /// The runs that have a node.
    running: Vec<String>,
    preparing: usize,
    idle: usize,
}

/// A node stays for the idle time after its last work, so there are as many as were ever at work since.
fn nodes(scale: Scale, work: &[Work], now: Timestamp) -> Nodes {
    let since = now.checked_sub(scale.idle).unwrap_or(now);
    let at_work =
        |at: Timestamp| work.iter().filter(|work| work.from <= at && work.until.is_none_or(|until| until > at)).count();
    let peak = work.iter().map(|work| at_work(work.from.max(since))).max().unwrap_or(0);
    let running: Vec<String> =
        work.iter().filter(|work| work.until.is_none() && work.running).map(|work| work.run.clone()).collect();
    let running: Vec<String> = running.into_iter().take(scale.most).collect();
    let waiting = work.iter().filter(|work| work.until.is_none() && !work.running).count();
    let preparing = waiting.min(scale.most - running.len());
    let all = peak.clamp(scale.least.min(scale.most), scale.most);
    Nodes { idle: all.saturating_sub(running.len() + preparing), preparing, running }
}

impl Arm<'_> {
    /// A cluster as it is shown: with its nodes as they are now.
    pub(super) fn with_nodes(&self, mut known: Value) -> Value {
        let found = self.nodes_of(&known);
        let own = &mut known["properties"]["properties"];
        let all = found.running.len() + found.preparing + found.idle;
        own["allocationState"] = Value::from(if found.preparing > 0 { "Resizing" } else { "Steady" });
        own["currentNodeCount"] = Value::from(all - found.preparing);
        own["targetNodeCount"] = Value::from(all);
        own["nodeStateCounts"] = json!({
            "idleNodeCount": found.idle, "runningNodeCount": found.running.len(),
            "preparingNodeCount": found.preparing, "unusableNodeCount": 0, "leavingNodeCount": 0,
            "preemptedNodeCount": 0,
        });
        known
    }

    /// `POST listNodes`.
    pub(super) fn list_nodes(&self, known: &Value) -> Value {
        let found = self.nodes_of(known);
        let id = known.get("id").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        let node = |number: usize, state: &str, run: Option<&String>| {
            let name = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{id}/{number}").as_bytes());
            json!({"nodeId": format!("tvmps_{}_d", name.simple()), "nodeState": state, "runId": run,
                   "privateIpAddress": format!("10.0.0.{}", 4 + number % 250), "publicIpAddress": null, "port": 50000})
        };
        let mut all: Vec<Value> = Vec::new();
        for run in &found.running {
            all.push(node(all.len(), "running", Some(run)));
        }
        for (state, count) in [("preparing", found.preparing), ("idle", found.idle)] {
            for _ in 0..count {
                all.push(node(all.len(), state, None));
            }
        }
        json!({"nodes": all})
    }

    fn nodes_of(&self, known: &Value) -> Nodes {
        let (scale, now) = (Scale::of(known), self.estate.clock.now());
        let since = now.checked_sub(scale.idle).unwrap_or(now);
        let name = known.get("name").and_then(Value::as_str).unwrap_or_default();
        nodes(scale, &work(self.routes.plane.jobs.runs(), &self.call.workspace, name, since), now)
    }
}

/// The jobs on a cluster that go on, or went on after a time; the oldest first.
pub(super) fn work(runs: &Runs, workspace: &str, compute: &str, since: Timestamp) -> Vec<Work> {
    let own = |run: &Run| {
        matches!(run.kind, RunKind::AutoMl | RunKind::Command) && run.ended.is_none_or(|ended| ended > since)
    };
    let mut found = runs.find(workspace, own);
    found.reverse();
    let on_it = |run: &Run| {
        let job = run.job.clone().or_else(|| runs.get(workspace, &run.root)?.job);
        job.is_some_and(|job| {
            let step = run.job.is_none().then(|| run.properties.get("azureml.moduleName")).flatten();
            target(&job, step.map(String::as_str)).is_some_and(|target| target.eq_ignore_ascii_case(compute))
        })
    };
    found
        .into_iter()
        .filter(on_it)
        .map(|run| Work {
            from: run.created,
            until: run.ended,
            running: matches!(run.status, Status::Running | Status::Finalizing | Status::CancelRequested),
            root: run.root,
            run: run.id,
        })
        .collect()
}

/// The cluster that a job, or a step of it, runs on.
fn target<'a>(job: &'a Map<String, Value>, step: Option<&str>) -> Option<&'a str> {
    let text = |map: &'a Map<String, Value>| {
        ["computeId", "compute"].iter().find_map(|key| map.get(*key)).and_then(Value::as_str)
    };
    let settings = || {
        let settings = job.get("settings")?;
        ["default_compute", "defaultCompute"].iter().find_map(|key| settings.get(*key)).and_then(Value::as_str)
    };
    let of_step = || text(job.get("jobs")?.get(step?)?.as_object()?);
    let named = of_step().or_else(settings).or_else(|| text(job))?;
    named.trim_end_matches('/').rsplit(['/', ':']).next().filter(|name| !name.is_empty())
}

/// The cluster is gone: what ran on it fails.
pub(super) fn lose(runs: &Runs, workspace: &str, compute: &str, now: Timestamp) {
    for lost in work(runs, workspace, compute, now) {
        runs.cancel(workspace, &lost.root, now);
        let error = RunError {
            code: "UserError".to_owned(),
            message: format!("The compute target {compute} was deleted while the job ran on it."),
        };
        for run in [&lost.run, &lost.root] {
            runs.change(workspace, run, |run| run.fail(error.clone(), now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn job(from: i64, until: Option<i64>, running: bool) -> Work {
        Work { run: format!("r{from}"), root: format!("r{from}"), from: at(from), until: until.map(at), running }
    }

    fn counts(least: usize, most: usize, work: &[Work], now: i64) -> (usize, usize, usize) {
        let found = nodes(Scale { least, most, idle: SignedDuration::from_secs(120) }, work, at(now));
        (found.running.len(), found.preparing, found.idle)
    }

    #[test]
    fn nodes_follow_the_jobs_and_stay_idle_for_their_time() {
        for (what, least, most, work, now, expected) in [
            ("nothing to do", 0, 4, vec![], 0, (0, 0, 0)),
            ("nothing to do, some are kept", 2, 4, vec![], 0, (0, 0, 2)),
            ("a job waits", 0, 4, vec![job(0, None, false)], 1, (0, 1, 0)),
            ("a job runs", 0, 4, vec![job(0, None, true)], 1, (1, 0, 0)),
            ("a job runs beside kept ones", 2, 4, vec![job(0, None, true)], 1, (1, 0, 1)),
            ("more jobs than nodes", 0, 1, vec![job(0, None, true), job(1, None, false)], 2, (1, 0, 0)),
            ("ended a while ago", 0, 4, vec![job(0, Some(10), true)], 100, (0, 0, 1)),
            ("ended long ago", 0, 4, vec![job(0, Some(10), true)], 131, (0, 0, 0)),
            ("two after each other", 0, 4, vec![job(0, Some(10), true), job(20, Some(30), true)], 60, (0, 0, 1)),
            ("two at once", 0, 4, vec![job(0, Some(10), true), job(5, Some(30), true)], 60, (0, 0, 2)),
        ] {
            assert_eq!(counts(least, most, &work, now), expected, "{what}");
        }
    }

    #[test]
    fn a_job_names_its_cluster_in_several_ways() {
        let pipeline = json!({"settings": {"default_compute": "azureml:cpu"}, "jobs": {"a": {"computeId": "/x/computes/gpu"}, "b": {}}});
        let pipeline = pipeline.as_object().unwrap();
        assert_eq!(target(pipeline, Some("a")), Some("gpu"));
        assert_eq!(target(pipeline, Some("b")), Some("cpu"));
        let command = json!({"computeId": "/x/computes/cpu"});
        assert_eq!(target(command.as_object().unwrap(), None), Some("cpu"));
        assert_eq!(target(&Map::new(), None), None);
    }
}
