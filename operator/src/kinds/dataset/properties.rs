//! Whatever happens in whatever order, no content is registered twice, no version is overwritten, and the current version
//! is never archived.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use azureml::resources::data::{AssetContainer, DataVersion, DataVersionProperties};
use azureml_crds::AmlDataset;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::super::content::{Content, source_hash};
use super::super::observe::{Observed, Sight, is_told, version, version_tags};
use super::super::status::status;
use super::{Action, is_of, plan};
use crate::ownership::Owner;
use crate::shell::{Next, Standing};

/// What can happen.
#[derive(Clone, Debug)]
enum Event {
    /// The source has this content now.
    Content(u8),
    /// So many passes.
    Passes(u8),
    /// The next action fails before it does anything.
    Fail,
    /// The next action is done, and nobody learns of it: the process ends before the status is written.
    Crash,
    /// The process begins anew.
    Restart,
    /// Somebody archives a version by hand, or brings it back.
    ByHand(u8, bool),
    /// Somebody begins to work with a version, or ends.
    Use(u8, bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0_u8..5).prop_map(Event::Content),
        6 => (1_u8..6).prop_map(Event::Passes),
        1 => Just(Event::Fail),
        1 => Just(Event::Crash),
        1 => Just(Event::Restart),
        1 => (0_u8..5, any::<bool>()).prop_map(|(which, archived)| Event::ByHand(which, archived)),
        1 => (0_u8..5, any::<bool>()).prop_map(|(which, used)| Event::Use(which, used)),
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Mishap {
    None,
    Fail,
    Crash,
}

/// Azure, the source and the operator.
struct World {
    object: AmlDataset,
    owner: Owner,
    /// Azure.
    container: Option<AssetContainer>,
    versions: BTreeMap<String, DataVersion>,
    /// How many contents were registered, by digest.
    registered: BTreeMap<String, u32>,
    made: i64,
    source: u8,
    in_use: BTreeSet<String>,
    /// What the process holds.
    kept: Option<Arc<Content>>,
    mishap: Mishap,
}

impl World {
    fn new(keep: Option<u32>, pinned: bool) -> Self {
        let mut spec =
            json!({"workspaceRef": {"name": "w"}, "type": "File", "source": {"web": {"url": "https://e.org/a.csv"}}});
        if let Some(keep) = keep {
            spec["versionHistory"] = json!({"keep": keep});
        }
        if pinned {
            spec["version"] = json!("3");
        }
        let object = serde_json::from_value(json!({
            "apiVersion": "azureml.dev/v1alpha1", "kind": "AmlDataset", "spec": spec, "status": {},
            "metadata": {"name": "bank", "namespace": "team-a", "uid": "uid-1", "generation": 1},
        }))
        .unwrap();
        Self {
            object,
            owner: Owner::new("prod", "team-a", "AmlDataset", "bank", "uid-1"),
            container: None,
            versions: BTreeMap::new(),
            registered: BTreeMap::new(),
            made: 0,
            source: 0,
            in_use: BTreeSet::new(),
            kept: None,
            mishap: Mishap::None,
        }
    }

    fn content(&self, which: u8) -> Content {
        Content {
            parts: Vec::new(),
            digest: format!("{which}").repeat(64),
            size: 3,
            tag: Some(format!("\"{which}\"")),
            source_hash: source_hash(&self.object.spec),
            columns: Vec::new(),
            lies_at: None,
            copied_to: Default::default(),
        }
    }

    fn name_of(&self, which: u8) -> String {
        version(&self.object, &self.content(which))
    }

    fn current(&self) -> Option<String> {
        self.object.status.as_ref()?.version.clone()
    }

    /// As `observe` does, with a source that is looked at whenever nothing is kept.
    fn observe(&mut self) -> Observed {
        let current = self.current().and_then(|version| self.versions.get(&version).cloned());
        let mut observed = Observed {
            owner: Some(self.owner.clone()),
            arm_id: "/ws/data/bank".to_owned(),
            container: self.container.clone(),
            current,
            ..Observed::default()
        };
        let content = self.content(self.source);
        let told = self.object.status.as_ref().filter(|_| observed.current.is_some());
        if self.kept.is_none() && told.is_some_and(|status| status.source_tag == content.tag) {
            observed.sight = Sight::Unchanged;
        } else {
            let kept = self.kept.get_or_insert_with(|| Arc::new(content)).clone();
            observed.current = None;
            observed.target = self.versions.get(&version(&self.object, &kept)).cloned();
            observed.sight = Sight::Content(kept.clone());
            if is_told(&self.object, &observed, &kept) {
                self.kept = None;
            }
        }
        observed.all = self.versions.values().cloned().collect();
        observed.in_use = self.in_use.clone();
        observed
    }

    /// One pass; whether there was nothing to do.
    fn pass(&mut self) -> Result<bool, TestCaseError> {
        let mut observed = self.observe();
        let plan = plan(&self.object, &observed, Timestamp::UNIX_EPOCH);
        let rests = !matches!(plan.next, Next::Act(_));
        if let Next::Act(action) = plan.next {
            let mishap = std::mem::replace(&mut self.mishap, Mishap::None);
            if mishap != Mishap::Fail {
                self.act(action, &mut observed)?;
            }
            if mishap == Mishap::Crash {
                self.kept = None;
                return Ok(false);
            }
        }
        self.object.status = Some(status(&self.object, &observed, Timestamp::UNIX_EPOCH));
        if rests && matches!(plan.standing, Standing::Ready { .. }) {
            let current = self.current().and_then(|version| self.versions.get(&version));
            prop_assert!(current.is_some_and(|current| !current.properties.is_archived), "Ready with {current:?}");
        }
        Ok(rests)
    }

    fn act(&mut self, action: Action, observed: &mut Observed) -> Result<(), TestCaseError> {
        let content = match &observed.sight {
            Sight::Content(content) => Some(content.clone()),
            _ => None,
        };
        match action {
            Action::Claim(origin, _) => {
                let mut container = self.container.clone().unwrap_or_default();
                container.properties.tags = self.owner.tags(origin);
                self.container = Some(container.clone());
                observed.container = Some(container);
            }
            Action::Upload => {
                let _ = content.unwrap().copied_to.set("workspaceblobstore".to_owned());
            }
            Action::Register(version) => {
                let content = content.unwrap();
                prop_assert!(content.copied_to.get().is_some(), "registered before it is copied");
                self.made += 1;
                let mut made = DataVersion {
                    name: version.clone(),
                    properties: DataVersionProperties {
                        data_uri: content.address(self.object.spec.type_, "workspaceblobstore"),
                        tags: version_tags(&self.owner, &content.digest),
                        ..DataVersionProperties::default()
                    },
                    ..DataVersion::default()
                };
                made.system_data.created_at = Some(Timestamp::from_second(self.made).unwrap().to_string());
                let before = self.versions.insert(version.clone(), made.clone());
                prop_assert!(before.is_none(), "version {version} was overwritten");
                let times = self.registered.entry(content.digest.clone()).or_default();
                *times += 1;
                prop_assert_eq!(*times, 1, "a content was registered twice");
                observed.target = Some(made);
            }
            Action::Use(version) => {
                self.archive(&version, false);
                observed.target = self.versions.get(&version).cloned();
                prop_assert!(observed.target.as_ref().is_some_and(|found| is_of(found, &content.unwrap())));
            }
            Action::Archive(version) => {
                prop_assert_ne!(Some(version.clone()), self.current(), "the current version is archived");
                prop_assert!(!self.in_use.contains(&version), "version {version} is archived under somebody's hands");
                self.archive(&version, true);
                observed.archived.push(version);
            }
            Action::Restore(version) => self.archive(&version, false),
            Action::Retag(..) | Action::Follow(_) => prop_assert!(false, "nobody changed a tag: {action:?}"),
        }
        Ok(())
    }

    fn archive(&mut self, version: &str, archived: bool) {
        if let Some(found) = self.versions.get_mut(version) {
            found.properties.is_archived = archived;
        }
    }

    fn happen(&mut self, event: &Event) -> Result<(), TestCaseError> {
        match event {
            Event::Content(which) => self.source = *which,
            Event::Passes(passes) => {
                for _ in 0..*passes {
                    self.pass()?;
                }
            }
            Event::Fail => self.mishap = Mishap::Fail,
            Event::Crash => self.mishap = Mishap::Crash,
            Event::Restart => self.kept = None,
            Event::ByHand(which, archived) => self.archive(&self.name_of(*which), *archived),
            Event::Use(which, true) => drop(self.in_use.insert(self.name_of(*which))),
            Event::Use(which, false) => drop(self.in_use.remove(&self.name_of(*which))),
        }
        Ok(())
    }

    /// Passes until there is nothing to do.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        self.mishap = Mishap::None;
        let mut rests = 0;
        for _ in 0..60 {
            // What is kept is looked at once more when it was told.
            rests = if self.pass()? { rests + 1 } else { 0 };
            if rests == 3 {
                return Ok(());
            }
        }
        Err(TestCaseError::fail("it never comes to rest"))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn content_is_registered_once_and_what_is_current_stays(
        events in prop::collection::vec(event(), 0..60),
        keep in prop::option::of(1_u32..4),
        pinned in prop::bool::weighted(0.2),
    ) {
        let mut world = World::new(keep, pinned);
        for event in &events {
            world.happen(event)?;
        }
        world.settle()?;
        let first = world.versions.values().next();
        let other = pinned && first.is_some_and(|found| !is_of(found, &world.content(world.source)));
        let current = world.current();
        if !other {
            prop_assert_eq!(current.as_ref(), Some(&world.name_of(world.source)));
        }
        if let Some(current) = &current {
            prop_assert!(!world.versions[current].properties.is_archived);
        }
        prop_assert!(!pinned || world.versions.len() <= 1);
        if let Some(keep) = keep {
            let shown = world.versions.values().filter(|found| !found.properties.is_archived);
            let shown = shown.filter(|found| !world.in_use.contains(&found.name) && Some(&found.name) != current.as_ref());
            prop_assert!(shown.count() <= keep as usize, "{:?} of {keep}", world.versions.keys());
        }
    }
}
