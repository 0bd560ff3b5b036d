//! The planner against a small Azure and a small cluster, by generation: specs change, datasets get versions, jobs start
//! and end, statuses and answers get lost, in whatever order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use azureml::resources::SystemData;
use azureml::resources::batch::{BatchDeployment, BatchEndpoint};
use azureml::resources::schedules::Schedule;
use azureml_crds::pipeline::{ConcurrencyPolicy, Publish, RunPolicy};
use azureml_crds::pipeline_run::{Phase, ResolvedInput};
use azureml_crds::resource::named;
use azureml_crds::{AmlPipeline, StatusCore, annotations};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::discovery::Found;
use super::footprint::{Footprint, Resource};
use super::plan::{RUN_COMMAND, plan};
use super::resolve::{Compute, Resolved};
use super::{Action, Observed, RunSummary, cause, publication, schedule, status};
use crate::kinds::pipeline::validate::tests::spec;
use crate::ownership::{Origin, Owner};
use crate::shell::Next;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The operator looks once.
    Pass(Loss),
    Spec(u8),
    Version(u8),
    Scheduled(bool),
    Suspended(bool),
    Published(Option<u8>),
    Policy(u8),
    /// A person asks for a run.
    Asked(u8),
    /// Azure starts a job of the schedule, or by a request to the address.
    Started(bool),
    /// A run, or a job, comes to its end.
    Ended(bool),
    /// An operation in Azure ends, well or not.
    Settled(bool),
}

/// What gets lost of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Nothing,
    /// It was done, and nobody knows: the operator died before it wrote the status.
    Status,
    /// It was not done.
    Request,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let loss = prop_oneof![6 => Just(Loss::Nothing), 1 => Just(Loss::Status), 1 => Just(Loss::Request)];
    let event = prop_oneof![
        12 => loss.prop_map(Event::Pass),
        1 => (0..3_u8).prop_map(Event::Spec),
        1 => (0..3_u8).prop_map(Event::Version),
        1 => any::<bool>().prop_map(Event::Scheduled),
        1 => any::<bool>().prop_map(Event::Suspended),
        1 => prop::option::of(0..2_u8).prop_map(Event::Published),
        1 => (0..3_u8).prop_map(Event::Policy),
        1 => (0..3_u8).prop_map(Event::Asked),
        2 => any::<bool>().prop_map(Event::Started),
        2 => any::<bool>().prop_map(Event::Ended),
        3 => any::<bool>().prop_map(Event::Settled),
    ];
    prop::collection::vec(event, 0..120)
}

/// The cluster, Azure, and what was ever done.
struct World {
    object: AmlPipeline,
    owner: Owner,
    version: u8,
    now: i64,
    runs: Vec<RunSummary>,
    schedule: Option<Schedule>,
    endpoints: BTreeMap<String, (BatchEndpoint, Vec<BatchDeployment>)>,
    components: BTreeSet<String>,
    jobs: Vec<Found>,
    /// Names of runs that the operator made, and jobs that were shown.
    made: BTreeSet<String>,
    shown: BTreeSet<String>,
}

impl World {
    fn new() -> Self {
        let mut spec = spec(&[("train", "training")]);
        spec.run = serde_json::from_value(json!({"triggers": ["SpecChange", "DatasetChange"]})).unwrap();
        let object = AmlPipeline { metadata: named("team", "bank"), spec, status: None };
        Self {
            object,
            owner: Owner::new("prod", "team", "AmlPipeline", "bank", "u"),
            version: 0,
            now: 1_790_000_000,
            runs: Vec::new(),
            schedule: None,
            endpoints: BTreeMap::new(),
            components: BTreeSet::new(),
            jobs: Vec::new(),
            made: BTreeSet::new(),
            shown: BTreeSet::new(),
        }
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_second(self.now).unwrap()
    }

    fn run_policy(&mut self) -> &mut RunPolicy {
        self.object.spec.run.as_mut().unwrap()
    }

    fn resolved(&self) -> Resolved {
        let input = ResolvedInput {
            name: "training".into(),
            version: self.version.to_string(),
            asset_id: format!("/w/data/bank/versions/{}", self.version),
            ..ResolvedInput::default()
        };
        Resolved {
            compute: Compute::Cluster("/w/computes/cpu".into()),
            inputs: vec![input],
            types: BTreeMap::default(),
            steps: BTreeMap::default(),
        }
    }

    fn observed(&self) -> Observed {
        let known = self.object.status.clone().unwrap_or_default();
        let resolved = self.resolved();
        let recorded = |azure: Option<&azureml_crds::status::AzureObject>, otherwise: String| {
            let id = azure.map_or(otherwise, |azure| azure.id.clone());
            (id, azure.is_some(), azure.is_some_and(|azure| azure.origin.is_some()))
        };
        let name = schedule::name("bank", &self.owner);
        let of_schedule = known.schedule.as_ref().and_then(|schedule| schedule.azure.as_ref());
        let (id, is_recorded, held) = recorded(of_schedule, format!("/w/schedules/{name}"));
        let schedule =
            Resource { found: self.schedule.clone().filter(|_| is_recorded), id, recorded: is_recorded, held };
        let of_endpoint = known.published.as_ref().and_then(|published| published.azure.as_ref());
        let wanted = self.object.spec.publish.as_ref().map(|publish| publish.endpoint_name.clone()).unwrap_or_default();
        let (id, is_recorded, held) = recorded(of_endpoint, format!("/w/batchEndpoints/{wanted}"));
        let mut endpoint = Resource { found: None, id, recorded: is_recorded, held };
        let live = self.endpoints.get(&endpoint.name()).cloned().filter(|_| is_recorded);
        let (found, deployments) = live.map_or((None, Vec::new()), |(found, behind)| (Some(found), behind));
        endpoint.found = found;
        let publication =
            self.object.spec.publish.as_ref().map(|_| publication::wanted(&self.object, &resolved, &self.owner));
        let component = publication.as_ref().is_some_and(|wanted| self.components.contains(&wanted.version));
        let listed = schedule.recorded || endpoint.recorded || self.runs.iter().any(|run| run.imports.is_some());
        let footprint = Footprint {
            owner: self.owner.clone(),
            location: "here".into(),
            schedule,
            endpoint,
            deployments,
            publication,
            component,
            jobs: if listed { self.jobs.clone() } else { Vec::new() },
            listed,
            mark: known.discovery.clone(),
            missed: None,
            operation: None,
            started: None,
            retry: Duration::from_secs(300),
            discover: Duration::from_secs(60),
        };
        Observed {
            owner: self.owner.clone(),
            spec_hash: cause::spec_hash(&self.object.spec, &Default::default()),
            resolved: Ok(resolved),
            runs: self.runs.clone(),
            last_cause: known.last_cause,
            handled: known.handled,
            azure: None,
            footprint: Some(footprint),
        }
    }

    /// One pass, as the shell makes it. False when nothing was to be done.
    fn pass(&mut self, loss: Loss) -> Result<bool, TestCaseError> {
        let mut observed = self.observed();
        let next = plan(&self.object, &observed, self.at()).next;
        let first = status::status(&self.object, &observed, self.at());
        let recorded = self.object.status.as_ref().and_then(StatusCore::azure).map(|azure| azure.id.clone());
        let must_record = first.azure().is_some_and(|azure| recorded.as_ref() != Some(&azure.id));
        let acts = matches!(next, Next::Act(_) | Next::Record);
        match next {
            Next::Act(action) if !must_record => {
                if loss != Loss::Request {
                    self.act(&mut observed, action)?;
                }
                if loss == Loss::Nothing {
                    self.object.status = Some(status::status(&self.object, &observed, self.at()));
                }
            }
            _ if loss == Loss::Nothing => self.object.status = Some(first),
            _ => {}
        }
        Ok(acts)
    }

    fn act(&mut self, observed: &mut Observed, action: Action) -> Result<(), TestCaseError> {
        let footprint = observed.footprint.as_mut().unwrap();
        match action {
            Action::CreateRun { name, key, token, .. } => {
                // One that history dropped finds its job again, by its name.
                prop_assert!(self.made.insert(name.clone()), "{name} twice");
                let active = self.runs.iter().filter(|run| run.imports.is_none() && run.is_active()).count();
                prop_assert_eq!(active, 0, "more than one at a time");
                let run = self.run(&name, None);
                self.runs.insert(0, run.clone());
                observed.runs.insert(0, run);
                observed.last_cause = Some(key);
                observed.handled.extend(token.map(|token| (RUN_COMMAND.to_owned(), token)));
            }
            Action::Settle { key, token, skipped_for } => match (skipped_for, token) {
                (Some(_), Some(token)) => drop(observed.handled.insert(RUN_COMMAND.to_owned(), token)),
                (_, token) => {
                    observed.last_cause = Some(key);
                    observed.handled.extend(token.map(|token| (RUN_COMMAND.to_owned(), token)));
                }
            },
            Action::CancelRun(name) => {
                self.runs.iter_mut().filter(|run| run.name == name).for_each(|run| run.leaving = true);
            }
            Action::DeleteRuns(names) => {
                for name in names {
                    let gone = self.runs.iter().find(|run| run.name == name).cloned();
                    prop_assert!(gone.is_some_and(|run| run.phase.is_finished()), "{name} has not ended");
                    self.made.remove(&name);
                    self.runs.retain(|run| run.name != name);
                    observed.runs.retain(|run| run.name != name);
                }
            }
            Action::ShowRuns(all) => {
                for found in all {
                    prop_assert!(self.shown.insert(found.name.clone()), "{} is shown twice", found.name);
                    let run = RunSummary {
                        phase: phase(found.ended),
                        ..self.run(&format!("run-{}", found.name), Some(&found.name))
                    };
                    self.runs.insert(0, run.clone());
                    observed.runs.insert(0, run);
                }
            }
            Action::Remember(mark) => footprint.mark = Some(mark),
            Action::TellMissed(at) => footprint.missed = Some(at),
            other => self.in_azure(footprint, other)?,
        }
        Ok(())
    }

    fn in_azure(&mut self, footprint: &Footprint, action: Action) -> Result<(), TestCaseError> {
        let name = footprint.endpoint.name();
        match action {
            Action::PutSchedule { .. } => {
                let spec = self.object.spec.run.as_ref().unwrap().schedule.clone().unwrap();
                let times = schedule::times(&spec).unwrap();
                let mut put =
                    schedule::wanted(&self.object, &spec, &times, &self.resolved(), &self.owner, Origin::Created);
                put.properties.provisioning_state = Some("Updating".into());
                put.system_data = SystemData { created_at: Some(self.at().to_string()), ..SystemData::default() };
                self.schedule = Some(put);
            }
            Action::DisableSchedule => {
                let known = self.schedule.as_mut().unwrap();
                known.properties.is_enabled = false;
                known.properties.provisioning_state = Some("Updating".into());
            }
            Action::DeleteSchedule => {
                let known = self.schedule.take();
                prop_assert!(known.is_some_and(|known| !known.properties.is_enabled), "it is enabled");
            }
            Action::PutComponent => drop(self.components.insert(footprint.publication.clone().unwrap().version)),
            Action::PutEndpoint { origin, .. } => {
                let (found, _) = self
                    .endpoints
                    .entry(name)
                    .or_insert_with(|| (publication::endpoint("here", self.owner.tags(origin)), Vec::new()));
                found.properties.provisioning_state = Some("Updating".into());
            }
            Action::PutDeployment => {
                let wanted = footprint.publication.clone().unwrap();
                prop_assert!(self.components.contains(&wanted.version), "its component is missing");
                let mut put = publication::deployment(&wanted, "/w/components/c/versions/v", "here", &self.owner);
                put.name.clone_from(&wanted.deployment);
                put.properties.provisioning_state = Some("Creating".into());
                let behind = &mut self.endpoints.get_mut(&name).unwrap().1;
                behind.retain(|known| known.name != put.name);
                behind.push(put);
            }
            Action::SetDefault => {
                let wanted = footprint.publication.clone().unwrap().deployment;
                let (found, behind) = self.endpoints.get_mut(&name).unwrap();
                let ready = behind.iter().find(|known| known.name == wanted);
                let state = ready.and_then(|known| known.properties.provisioning_state.clone());
                prop_assert_eq!(state.as_deref(), Some("Succeeded"), "it is not ready");
                found.properties.defaults =
                    Some(azureml::resources::batch::BatchDefaults { deployment_name: Some(wanted) });
            }
            Action::DeleteDeployment(old) => {
                let (found, behind) = self.endpoints.get_mut(&name).unwrap();
                prop_assert_ne!(publication::default_of(found), Some(old.as_str()), "requests go to it");
                behind.retain(|known| known.name != old);
            }
            Action::DeleteEndpoint => drop(self.endpoints.remove(&name)),
            other => prop_assert!(false, "{other:?}"),
        }
        Ok(())
    }

    fn run(&self, name: &str, imports: Option<&str>) -> RunSummary {
        RunSummary {
            name: name.to_owned(),
            phase: Phase::Pending,
            ours: true,
            imports: imports.map(str::to_owned),
            leaving: false,
            created: self.at(),
            completed: None,
            best: None,
        }
    }

    fn happens(&mut self, event: Event) -> Result<(), TestCaseError> {
        self.now += 7;
        match event {
            Event::Pass(loss) => drop(self.pass(loss)?),
            Event::Spec(number) => self.object.spec.experiment = Some(format!("e{number}")),
            Event::Version(number) => self.version = number,
            Event::Scheduled(wanted) => {
                self.run_policy().schedule =
                    wanted.then(|| serde_json::from_value(json!({"cron": "0 3 * * *"})).unwrap());
            }
            Event::Suspended(suspend) => {
                if let Some(schedule) = &mut self.run_policy().schedule {
                    schedule.suspend = Some(suspend);
                }
            }
            Event::Published(name) => {
                self.object.spec.publish = name.map(|name| Publish { endpoint_name: format!("bank-{name}") });
            }
            Event::Policy(number) => {
                let all = [ConcurrencyPolicy::Forbid, ConcurrencyPolicy::Queue, ConcurrencyPolicy::Replace];
                self.run_policy().concurrency_policy = all.get(usize::from(number)).copied();
            }
            Event::Asked(number) => {
                self.object.metadata.annotations = Some([(annotations::RUN.to_owned(), number.to_string())].into());
            }
            Event::Started(scheduled) => self.starts(scheduled),
            Event::Ended(good) => self.ends(good),
            Event::Settled(good) => self.settles(good),
        }
        Ok(())
    }

    fn starts(&mut self, scheduled: bool) {
        let enabled = self.schedule.as_ref().is_some_and(|known| known.properties.is_enabled);
        let served = self.endpoints.values().any(|(found, _)| publication::default_of(found).is_some());
        if if scheduled { enabled } else { served } {
            let cause = if scheduled { cause::causes::SCHEDULE } else { cause::causes::PUBLISHED };
            self.jobs.push(Found { name: format!("job-{}", self.now), created: self.at(), ended: None, cause });
        }
    }

    fn ends(&mut self, good: bool) {
        let at = self.at();
        if let Some(run) = self.runs.iter_mut().rev().find(|run| run.imports.is_none() && run.is_active()) {
            run.phase = if run.leaving { Phase::Cancelled } else { phase(Some(good)) };
            run.completed = Some(at);
            return;
        }
        if let Some(job) = self.jobs.iter_mut().find(|job| job.ended.is_none()) {
            job.ended = Some(good);
            let shows = |run: &&mut RunSummary| run.imports.as_ref() == Some(&job.name);
            self.runs.iter_mut().filter(shows).for_each(|run| run.phase = phase(Some(good)));
        }
    }

    /// Operations in Azure end; those of a deployment may fail.
    fn settles(&mut self, good: bool) {
        let done = || Some("Succeeded".to_owned());
        if let Some(known) = &mut self.schedule {
            known.properties.provisioning_state = done();
        }
        for (found, behind) in self.endpoints.values_mut() {
            found.properties.provisioning_state = done();
            let moving =
                |known: &&mut BatchDeployment| known.properties.provisioning_state.as_deref() == Some("Creating");
            for known in behind.iter_mut().filter(moving) {
                known.properties.provisioning_state = Some(if good { "Succeeded" } else { "Failed" }.to_owned());
            }
        }
    }

    /// Nothing happens any more but that the operator looks and Azure does its work.
    fn comes_to_rest(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..300 {
            self.now += 7;
            let acted = self.pass(Loss::Nothing)?;
            self.settles(true);
            // A deployment that failed is tried again once that was told for long.
            for (_, behind) in self.endpoints.values_mut() {
                behind.retain(|known| known.properties.provisioning_state.as_deref() != Some("Failed"));
            }
            self.ends(true);
            let busy = self.runs.iter().any(RunSummary::is_active) || self.jobs.iter().any(|job| job.ended.is_none());
            if !acted
                && !busy
                && !matches!(plan(&self.object, &self.observed(), self.at()).next, Next::Act(_) | Next::Record)
            {
                return Ok(());
            }
        }
        let next = plan(&self.object, &self.observed(), self.at());
        prop_assert!(false, "it never rests: {next:?}");
        Ok(())
    }

    /// What is wanted is what is.
    fn is_as_wanted(&self) -> Result<(), TestCaseError> {
        let spec = self.object.spec.run.as_ref().and_then(|run| run.schedule.as_ref());
        prop_assert_eq!(self.schedule.is_some(), spec.is_some(), "the schedule");
        if let (Some(found), Some(spec)) = (&self.schedule, spec) {
            let times = schedule::times(spec).unwrap();
            let wanted = schedule::wanted(&self.object, spec, &times, &self.resolved(), &self.owner, Origin::Created);
            prop_assert_eq!(schedule::hash(found), schedule::hash(&wanted));
            prop_assert_eq!(found.properties.is_enabled, wanted.properties.is_enabled);
        }
        let wanted = self.object.spec.publish.as_ref().map(|publish| publish.endpoint_name.clone());
        prop_assert_eq!(self.endpoints.keys().cloned().collect::<Vec<_>>(), wanted.into_iter().collect::<Vec<_>>());
        for (found, behind) in self.endpoints.values() {
            let publication = publication::wanted(&self.object, &self.resolved(), &self.owner);
            prop_assert_eq!(publication::default_of(found), Some(publication.deployment.as_str()));
            prop_assert_eq!(behind.len(), 1, "deployments");
        }
        Ok(())
    }
}

fn phase(ended: Option<bool>) -> Phase {
    match ended {
        None => Phase::Running,
        Some(true) => Phase::Succeeded,
        Some(false) => Phase::Failed,
    }
}

proptest! {
    /// Never two runs for one cause, never more than one of the operator's at a time, no job shown twice, requests never
    /// without a deployment that is ready; and in the end what is wanted is what is.
    #[test]
    fn whatever_happens_and_gets_lost(events in events()) {
        let mut world = World::new();
        for event in events {
            world.happens(event)?;
        }
        world.comes_to_rest()?;
        world.is_as_wanted()?;
    }
}
