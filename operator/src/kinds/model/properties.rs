//! What holds of a model whatever happens: to its spec, its runs, its versions in Azure, and the process.

use std::collections::{BTreeMap, BTreeSet};

use azureml::resources::data::{AssetContainer, AssetContainerProperties};
use azureml_crds::model::Verdict;
use azureml_crds::{AmlModel, AmlResource, annotations};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::version::{MeasuredData, Version};
use super::{Action, Candidate, Observed, gate, plan, status};
use crate::ownership::{Origin, Owner};
use crate::shell::Next;

const METRIC: &str = "AUC_weighted";

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Happens {
    /// A run ends: AUC in percent, and on which data.
    Run(u8, bool),
    /// Bounds: a least percent, and by how many percent it may be worse.
    Gate(u8, Option<u8>, bool),
    Pin(Option<u8>),
    Override(u8),
    Approve(u8),
    /// Somebody registers a version of their own.
    Foreign,
    /// Somebody hides a version.
    Hide(u8),
    /// The status is lost, as in a cluster rebuilt from Git.
    Forget,
    /// The operator looks so often; of what it does last, the answer is lost or it never came.
    Pass(u8, Fate),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Done,
    DoneAndKilled,
    Lost,
}

fn happens() -> impl Strategy<Value = Happens> {
    let fate = prop_oneof![3 => Just(Fate::Done), 1 => Just(Fate::DoneAndKilled), 1 => Just(Fate::Lost)];
    prop_oneof![
        4 => (50..100_u8, any::<bool>()).prop_map(|(auc, data)| Happens::Run(auc, data)),
        1 => (50..100_u8, proptest::option::of(0..10_u8), any::<bool>())
            .prop_map(|(min, worse, manual)| Happens::Gate(min, worse, manual)),
        2 => proptest::option::of(1..6_u8).prop_map(Happens::Pin),
        1 => (1..6_u8).prop_map(Happens::Override),
        1 => (1..6_u8).prop_map(Happens::Approve),
        1 => Just(Happens::Foreign),
        1 => (1..6_u8).prop_map(Happens::Hide),
        1 => Just(Happens::Forget),
        8 => (1..6_u8, fate).prop_map(|(passes, fate)| Happens::Pass(passes, fate)),
    ]
}

/// Azure, the cluster, and what a person could say of both.
struct World {
    object: AmlModel,
    owner: Owner,
    container: Option<AssetContainer>,
    versions: Vec<Version>,
    runs: Vec<Candidate>,
    /// Versions that may serve: they passed a gate that was in force, or a person named them.
    allowed: BTreeSet<String>,
}

impl World {
    fn new() -> Self {
        let object = serde_json::from_value(json!({
            "apiVersion": "azureml.dev/v1alpha1", "kind": "AmlModel",
            "metadata": {"name": "m", "namespace": "team-a", "uid": "u"},
            "spec": {"workspaceRef": {"name": "w"}, "versionHistory": {"keep": 2},
                "sources": [{"pipeline": "p", "output": "train_best_model"}]}}))
        .unwrap();
        Self {
            object,
            owner: Owner::new("test", "team-a", "AmlModel", "m", "u"),
            container: None,
            versions: Vec::new(),
            runs: Vec::new(),
            allowed: BTreeSet::new(),
        }
    }

    fn annotate(&mut self, name: &str, version: u8) {
        let all = self.object.metadata.annotations.get_or_insert_default();
        all.insert(name.to_owned(), version.to_string());
    }

    fn observed(&self) -> Observed {
        Observed {
            owner: self.owner.clone(),
            id: "/w/models/m".to_owned(),
            container: self.container.clone(),
            held: self.object.status.as_ref().is_some_and(|status| status.azure.is_some()),
            versions: self.versions.clone(),
            // As of the runs: the newest, and those since the last that is a version.
            candidates: self.runs.iter().rev().take(2).rev().cloned().collect(),
            waits: Vec::new(),
            in_use: self.approved().into_iter().collect(),
        }
    }

    fn approved(&self) -> Option<String> {
        self.object.status.as_ref()?.approved.as_ref().map(|approved| approved.version.clone())
    }

    /// One look, and one action at most.
    fn pass(&mut self, fate: Fate) {
        let observed = self.observed();
        self.allow(&observed);
        let decision = plan::plan(&self.object, &observed);
        if let Next::Act(action) = decision.next
            && fate != Fate::Lost
        {
            self.act(action);
            self.allow(&self.observed());
        }
        if fate == Fate::Done {
            let observed = self.observed();
            self.object.status = Some(status::status(&self.object, &observed));
            self.approved_is_allowed();
        }
    }

    /// What may serve from now on, by rules written apart from the planner's.
    fn allow(&mut self, observed: &Observed) {
        let gate = self.object.spec.gate.clone();
        let number = |text: Option<&String>| text.and_then(|text| text.parse::<f64>().ok());
        let auc = |version: &Version| number(version.metrics.validation.get(METRIC)).unwrap_or_default();
        let bound = gate.as_ref().and_then(|gate| gate.metrics.first());
        let min = number(bound.and_then(|bound| bound.min.as_ref())).unwrap_or_default();
        let manual = gate.as_ref().and_then(|gate| gate.approval) == Some(azureml_crds::model::Approval::Manual);
        let named = |name: &str| {
            self.object.spec.approved_version.as_deref() == Some(name)
                || self.object.annotation(annotations::APPROVE) == Some(name)
        };
        let hash = gate::hash(gate.as_ref());
        let worse = number(bound.and_then(|bound| bound.max_regression.as_ref()));
        let before = self.approved();
        let approved = |version: &&Version| match &before {
            Some(before) => version.version == *before,
            None => version.verdict == Some(Verdict::Approved),
        };
        let ours: Vec<&Version> = observed.versions.iter().filter(|version| version.ours).collect();
        let baseline = ours.iter().copied().filter(approved).max_by_key(|version| version.number());
        let holds = |version: &Version| match (worse, baseline) {
            (Some(worse), Some(baseline)) if baseline.version != version.version => {
                baseline.data == version.data && auc(baseline) - auc(version) <= worse + 1e-9
            }
            _ => true,
        };
        for version in &ours {
            let name = version.version.clone();
            let overridden = self.object.annotation(annotations::OVERRIDE_GATE) == Some(name.as_str());
            let passes = auc(version) >= min && holds(version) && (!manual || named(&name));
            let pinned = self.object.spec.approved_version.as_deref() == Some(name.as_str());
            // What other bounds rejected is open again.
            let rejected = version.verdict == Some(Verdict::Rejected) && version.gate_hash.as_ref() == Some(&hash);
            let open = !rejected && auc(version) >= min;
            if passes || (pinned && (overridden || open)) {
                self.allowed.insert(name);
            }
        }
    }

    fn approved_is_allowed(&self) {
        let Some(approved) = self.approved() else { return };
        let version = self.versions.iter().find(|version| version.version == approved);
        let version = version.expect("the approved version exists");
        assert!(version.ours, "somebody else's version {approved} is approved");
        assert!(self.allowed.contains(&approved), "version {approved} is approved: {version:?}");
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::CreateContainer => {
                let properties =
                    AssetContainerProperties { tags: self.owner.tags(Origin::Created), ..Default::default() };
                self.container = Some(AssetContainer { properties, ..Default::default() });
            }
            Action::TagContainer { .. } => {
                let container = self.container.as_mut().unwrap();
                container.properties.tags = self.owner.tags(Origin::Created);
            }
            Action::Register { candidate, verdict, gate_hash, reason } => {
                let twice = self.versions.iter().any(|known| known.source == candidate.source);
                assert!(!twice, "{} is registered twice", candidate.source);
                let version = (self.versions.len() + 1).to_string();
                self.versions.push(Version {
                    id: format!("/w/models/m/versions/{version}"),
                    version,
                    ours: true,
                    source: candidate.source.clone(),
                    metrics: candidate.metrics.clone(),
                    data: candidate.data.clone(),
                    verdict: Some(verdict),
                    reason: Some(reason),
                    gate_hash: Some(gate_hash),
                    created: Timestamp::from_second(self.versions.len() as i64).ok(),
                    ..Version::default()
                });
            }
            Action::Mark { version, verdict, gate_hash, reason } => {
                let known = self.version(&version);
                assert!(known.ours, "somebody else's version is marked");
                (known.verdict, known.gate_hash, known.reason) = (Some(verdict), Some(gate_hash), Some(reason));
            }
            Action::Restore(version) => self.version(&version).archived = false,
            Action::Archive(version) => {
                assert_ne!(self.approved().as_ref(), Some(&version), "the approved version is archived");
                assert_ne!(self.object.spec.approved_version.as_ref(), Some(&version), "the named version is archived");
                let known = self.version(&version);
                assert!(known.ours, "somebody else's version is archived");
                known.archived = true;
            }
        }
    }

    fn version(&mut self, name: &str) -> &mut Version {
        self.versions.iter_mut().find(|version| version.version == name).unwrap()
    }

    fn happen(&mut self, what: Happens) {
        match what {
            Happens::Run(auc, data) => self.runs.push(candidate(self.runs.len(), auc, data)),
            Happens::Gate(min, worse, manual) => {
                let mut bound = json!({"name": METRIC, "min": percent(min)});
                if let Some(worse) = worse {
                    bound["maxRegression"] = json!(percent(worse));
                }
                let approval = if manual { "Manual" } else { "Automatic" };
                let gate = json!({"metrics": [bound], "approval": approval});
                self.object.spec.gate = Some(serde_json::from_value(gate).unwrap());
            }
            Happens::Pin(version) => self.object.spec.approved_version = version.map(|version| version.to_string()),
            Happens::Override(version) => self.annotate(annotations::OVERRIDE_GATE, version),
            Happens::Approve(version) => self.annotate(annotations::APPROVE, version),
            Happens::Foreign => {
                let version = (self.versions.len() + 1).to_string();
                let source = format!("foreign-{version}");
                self.versions.push(Version { version, source, ..Version::default() });
            }
            Happens::Hide(version) => {
                if let Some(known) = self.versions.get_mut(usize::from(version) - 1) {
                    known.archived = true;
                }
            }
            Happens::Forget => self.object.status = None,
            Happens::Pass(passes, fate) => {
                for pass in 1..=passes {
                    self.pass(if pass == passes { fate } else { Fate::Done });
                }
            }
        }
    }

    /// Looks until there is nothing to do.
    fn settle(&mut self) {
        for _ in 0..40 {
            let observed = self.observed();
            let rests = matches!(plan::plan(&self.object, &observed).next, Next::Rest);
            let before = self.approved();
            self.pass(Fate::Done);
            // What serves follows what is approved, and lets go of the version before.
            if rests && self.approved() == before {
                return;
            }
        }
        panic!("it never rests: {:?}", plan::plan(&self.object, &self.observed()));
    }
}

fn percent(of: u8) -> String {
    format!("0.{of:02}")
}

fn candidate(number: usize, auc: u8, data: bool) -> Candidate {
    let validation = BTreeMap::from([(METRIC.to_owned(), percent(auc))]);
    Candidate {
        source: format!("job-{number}/train_best_model"),
        uri: format!("azureml://jobs/job-{number}"),
        model_type: "mlflow_model",
        job: Some(format!("job-{number}")),
        run: Some(format!("run-{number}")),
        metrics: azureml_crds::pipeline_run::Metrics { validation, ..Default::default() },
        data: MeasuredData { validation: format!("data-{data}"), test: String::new() },
        primary: Some(METRIC.to_owned()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// No version is registered twice, none serves that neither passed nor was named, and none that is needed is hidden.
    #[test]
    fn no_unapproved_version_is_ever_approved(all in proptest::collection::vec(happens(), 1..40)) {
        let mut world = World::new();
        for what in all {
            world.happen(what);
        }
        world.settle();
    }

    /// What was decided stays decided: a look at rest changes nothing.
    #[test]
    fn a_look_at_rest_decides_the_same(all in proptest::collection::vec(happens(), 1..40)) {
        let mut world = World::new();
        for what in all {
            world.happen(what);
        }
        world.settle();
        let (before, versions) = (world.object.status.clone(), world.versions.clone());
        world.pass(Fate::Done);
        prop_assert_eq!(before, world.object.status.clone());
        prop_assert_eq!(versions, world.versions.clone());
        // A verdict by bounds that are in force is not given again by others.
        let hash = gate::hash(world.object.spec.gate.as_ref());
        let latest = world.object.status.as_ref().and_then(|status| status.latest.clone());
        let latest = latest.and_then(|latest| world.versions.iter().find(|version| version.version == latest).cloned());
        prop_assert!(latest.is_none_or(|latest| latest.gate_hash == Some(hash)));
    }
}
