//! Decides. Pure.

use azureml::resources::Map;
use azureml::resources::data::DataVersion;
use azureml_crds::policies::AdoptionPolicy;
use azureml_crds::{AmlDataset, AmlResource, conditions, reasons, tags};
use jiff::Timestamp;

use super::content::Content;
use super::observe::{Observed, Sight, version, version_tags};
use super::open;
use crate::ownership::{Origin, Ownership};
use crate::shell::{After, Claim, Next, Plan, Standing};

/// What can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make the data asset's container with our tags, or mark it as found again or taken over.
    Claim(Origin, Option<&'static str>),
    /// Copy the content to the workspace's blob store.
    Upload,
    /// Register the content as this version.
    Register(String),
    /// Use a version that exists: content that came back, or that an earlier cluster registered.
    Use(String),
    /// Archive an older version.
    Archive(String),
    /// Bring the current version back out of the archive.
    Restore(String),
    /// Use this version of shared data.
    Follow(String),
    /// Put right these tags of the current version.
    Retag(String, Map),
}

pub(super) fn plan(object: &AmlDataset, observed: &Observed, _: Timestamp) -> Plan<Action> {
    if let (Some(source), Some(shared)) = (&object.spec.source.open, &observed.shared) {
        return open::plan(object, source, shared, observed);
    }
    if let Some(plan) = ownership(object, observed) {
        return plan;
    }
    match &observed.sight {
        // What is registered is put right meanwhile: the next look may be one that lists alone answer.
        Sight::Reading => match settled(object, observed, observed.current.as_ref()) {
            plan @ Plan { next: Next::Act(_), .. } => plan,
            _ => reading(object),
        },
        Sight::Content(content) => with(object, observed, content),
        Sight::Unchanged => settled(object, observed, observed.current.as_ref()),
    }
}

/// While the source is read, everything stays as it was said before: a look at it is no news.
fn reading(object: &AmlDataset) -> Plan<Action> {
    let wait = Plan::wait(After::Poll, reasons::PROGRESSING, "The source is being read.");
    let known = |kind| object.condition(kind).filter(|known| known.observed_generation == Some(object.generation()));
    if let Some(stalled) = known(conditions::STALLED) {
        let reason = reasons::ALL.iter().find(|(reason, _)| *reason == stalled.reason);
        let reason = reason.map_or(reasons::SOURCE_INVALID, |(reason, _)| reason);
        return wait.standing(Standing::stalled(reason, stalled.message.clone()));
    }
    match known(conditions::READY) {
        Some(ready) if ready.status == "True" && known(conditions::RECONCILING).is_none() => {
            wait.standing(Standing::ready(ready.message.clone()))
        }
        Some(_) => {
            let message = "The source is being read.".to_owned();
            wait.standing(Standing::Holding { reason: reasons::PROGRESSING, message })
        }
        // The spec has changed: what is there may not be what is wanted.
        None => wait,
    }
}

fn ownership(object: &AmlDataset, observed: &Observed) -> Option<Plan<Action>> {
    let claim = Claim {
        owner: observed.owner.as_ref()?,
        what: &format!("Data asset {:?}", object.azure_name()),
        adopts: object.adoption_policy() == AdoptionPolicy::Adopt,
        help: "Take it over (adoptionPolicy: Adopt), or make a new AmlDataset with another azureName.",
    };
    let Some(container) = &observed.container else {
        // Nothing is made for a source that nobody could read yet.
        if matches!(observed.sight, Sight::Reading) {
            return Some(reading(object));
        }
        let message = format!("{} is being made in Azure.", claim.what);
        return Some(Plan::act(Action::Claim(Origin::Created, None), reasons::PROGRESSING, message));
    };
    let ownership = claim.owner.judge(&container.properties.tags, object.is_held());
    let wanted = object.spec.type_.azure();
    if let (Ownership::Foreign { .. }, true, Some(is)) = (&ownership, claim.adopts, &container.properties.data_type)
        && is != wanted
    {
        let message = format!(
            "{} can't be taken over: its type is {is}, and spec.type says {wanted}. Make a new AmlDataset with another azureName.",
            claim.what
        );
        return Some(Plan::stalled(reasons::NOT_OWNED, message));
    }
    claim.plan(ownership, |origin, reason| Action::Claim(origin, Some(reason)))
}

/// A version is of this content.
pub(super) fn is_of(found: &DataVersion, content: &Content) -> bool {
    found.properties.tags.get(tags::DIGEST) == Some(&content.digest)
}

/// A version was registered with this content, whatever its tags say by now: its address never changes.
fn is_recorded(object: &AmlDataset, found: &DataVersion, content: &Content) -> bool {
    object.status.as_ref().is_some_and(|status| {
        status.version.as_ref() == Some(&found.name)
            && status.content_digest.as_ref() == Some(&content.digest)
            && status.uri.as_ref() == Some(&found.properties.data_uri)
    })
}

/// The tags that somebody changed or took away, as they are to be. A version that another live object of this name
/// registered keeps that one's uid.
fn changed_tags(object: &AmlDataset, observed: &Observed, found: &DataVersion) -> Map {
    let digest = object.status.as_ref().and_then(|status| status.content_digest.clone());
    let (Some(owner), Some(digest)) = (&observed.owner, digest) else { return Map::new() };
    let mut wanted = version_tags(owner, &digest);
    wanted.retain(|name, value| match found.properties.tags.get(name) {
        Some(is) => name != tags::UID && is != value,
        None => true,
    });
    wanted
}

fn with(object: &AmlDataset, observed: &Observed, content: &Content) -> Plan<Action> {
    let version = version(object, content);
    let act = |action, message: String| {
        Plan::act(action, reasons::PROGRESSING, message.clone())
            .standing(Standing::Holding { reason: reasons::PROGRESSING, message })
    };
    match &observed.target {
        Some(found) if is_of(found, content) || is_recorded(object, found, content) => {
            let known = object.status.as_ref().and_then(|status| status.version.as_deref()) == Some(&version);
            if !known || found.properties.is_archived {
                return act(Action::Use(version.clone()), format!("Version {version:?} has this content."));
            }
            settled(object, observed, Some(found))
        }
        // It stays the current one, whatever else the source holds by now.
        Some(found) if found.properties.is_archived && is_current(object, found) => {
            act(Action::Restore(version.clone()), format!("Version {version:?} is brought back out of the archive."))
        }
        Some(_) => Plan::stalled(
            reasons::VERSION_IMMUTABLE,
            format!(
                "Version {version:?} of data asset {:?} exists with other content, and a version can't change. Write another spec.version, or remove it: then the version follows from the content.",
                object.azure_name()
            ),
        ),
        None if observed.uploading => {
            let message = format!("{} bytes are copied to the workspace's blob store.", content.size);
            Plan::wait(After::Poll, reasons::PROGRESSING, message.clone())
                .standing(Standing::Holding { reason: reasons::PROGRESSING, message })
        }
        None if content.lies_at.is_none() && content.copied_to.get().is_none() => {
            act(Action::Upload, format!("{} bytes are copied to the workspace's blob store.", content.size))
        }
        None => act(Action::Register(version.clone()), format!("Version {version:?} is registered.")),
    }
}

/// A version is the one that status names.
fn is_current(object: &AmlDataset, found: &DataVersion) -> bool {
    object.status.as_ref().and_then(|status| status.version.as_ref()) == Some(&found.name)
}

/// A version beyond `versionHistory.keep` that is not archived yet; never the current one, nor one in use.
fn old(object: &AmlDataset, observed: &Observed) -> Option<String> {
    let keep = usize::try_from(object.spec.version_history.as_ref()?.keep).ok()?;
    let current = object.status.as_ref()?.version.as_deref();
    let mut beyond = history(object, observed).into_iter().skip(keep);
    let is_old = |version: &str| Some(version) != current && !observed.in_use.contains(version);
    let (version, _) = beyond.find(|(version, archived)| !archived && is_old(version))?;
    Some(version.to_owned())
}

/// The versions that this object registered, newest first, and whether they are archived: as status tells, then those
/// that only Azure still knows of.
fn history<'a>(object: &'a AmlDataset, observed: &'a Observed) -> Vec<(&'a str, bool)> {
    // What Azure says of a version that status tells of is newer: somebody may have archived it by hand.
    let archived = |version: &str, told: bool| {
        let found = observed.all.iter().find(|found| found.name == version);
        found.map_or(told, |found| found.properties.is_archived)
    };
    let told = object.status.iter().flat_map(|status| &status.versions);
    let mut all: Vec<(&str, bool)> =
        told.map(|version| (version.version.as_str(), archived(&version.version, version.archived))).collect();
    let owner = observed.owner.as_ref().map(|owner| owner.id.to_string());
    let ours = |found: &DataVersion| found.properties.tags.get(tags::OWNER) == owner.as_ref();
    let mut more: Vec<&DataVersion> = observed
        .all
        .iter()
        .filter(|found| ours(found) && !all.iter().any(|(version, _)| *version == found.name))
        .collect();
    more.sort_by_key(|found| std::cmp::Reverse(found.system_data.created()));
    all.extend(more.into_iter().map(|found| (found.name.as_str(), found.properties.is_archived)));
    all
}

fn settled(object: &AmlDataset, observed: &Observed, current: Option<&DataVersion>) -> Plan<Action> {
    let Some(current) = current else {
        return Plan::wait(After::Poll, reasons::PROGRESSING, "The source is read again.");
    };
    let version = current.name.clone();
    if current.properties.is_archived {
        let message = format!("Version {version:?} is brought back out of the archive.");
        return Plan::act(Action::Restore(version), reasons::PROGRESSING, message);
    }
    let changed = changed_tags(object, observed, current);
    if !changed.is_empty() {
        let message = format!("Tags of version {version:?} are put right.");
        return Plan::act(Action::Retag(version, changed), reasons::PROGRESSING, message.clone())
            .standing(Standing::Holding { reason: reasons::PROGRESSING, message });
    }
    if let Some(old) = old(object, observed) {
        let message = format!("Version {old:?} is archived.");
        return Plan::act(Action::Archive(old), reasons::PROGRESSING, message.clone())
            .standing(Standing::Holding { reason: reasons::PROGRESSING, message });
    }
    let mut plan = Plan::ready(format!("Version {version:?} is registered."));
    if let Some(next) = observed.next_look {
        plan.next = Next::Wait(After::Until(next));
    }
    plan
}

#[cfg(test)]
#[path = "properties.rs"]
mod properties;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use azureml::resources::data::{AssetContainer, AssetContainerProperties, DataVersionProperties};
    use serde_json::{Value, json};

    use super::*;
    use crate::ownership::Owner;

    fn object(more: &Value, status: &Value) -> AmlDataset {
        let mut spec =
            json!({"workspaceRef": {"name": "w"}, "type": "Table", "source": {"web": {"url": "https://e.org/a.csv"}}});
        for (name, value) in more.as_object().unwrap() {
            spec[name] = value.clone();
        }
        serde_json::from_value(json!({
            "apiVersion": "azureml.dev/v1alpha1", "kind": "AmlDataset", "spec": spec, "status": status,
            "metadata": {"name": "bank", "namespace": "team-a", "uid": "uid-1", "generation": 1},
        }))
        .unwrap()
    }

    fn owner() -> Owner {
        Owner::new("prod", "team-a", "AmlDataset", "bank", "uid-1")
    }

    fn content(copied: bool) -> Arc<Content> {
        let content = Content {
            parts: Vec::new(),
            digest: "0123456789abcdef".into(),
            size: 3,
            tag: None,
            source_hash: "h".into(),
            columns: Vec::new(),
            lies_at: None,
            copied_to: Default::default(),
        };
        if copied {
            content.copied_to.set("workspaceblobstore".into()).unwrap();
        }
        Arc::new(content)
    }

    fn found(version: &str, digest: &str, is_archived: bool) -> DataVersion {
        DataVersion {
            name: version.into(),
            properties: DataVersionProperties {
                tags: version_tags(&owner(), digest),
                is_archived,
                ..Default::default()
            },
            ..Default::default()
        }
    }

    fn seen(sight: Sight, target: Option<DataVersion>) -> Observed {
        let tags = owner().tags(Origin::Created);
        let properties = AssetContainerProperties { tags, ..Default::default() };
        let container = Some(AssetContainer { properties, ..Default::default() });
        Observed { owner: Some(owner()), container, sight, target, ..Default::default() }
    }

    fn next(object: &AmlDataset, observed: &Observed) -> Next<Action> {
        plan(object, observed, Timestamp::UNIX_EPOCH).next
    }

    #[test]
    fn the_container_is_claimed_before_a_version_is_made() {
        let mut observed = seen(Sight::Content(content(true)), None);
        observed.container = None;
        let new = object(&json!({}), &json!({}));
        assert_eq!(next(&new, &observed), Next::Act(Action::Claim(Origin::Created, None)));
        observed.sight = Sight::Reading;
        assert_eq!(next(&new, &observed), Next::Wait(After::Poll), "there may be nothing to register");
    }

    #[test]
    fn content_is_copied_then_registered_then_ready() {
        let new = object(&json!({}), &json!({}));
        assert_eq!(next(&new, &seen(Sight::Content(content(false)), None)), Next::Act(Action::Upload));
        let version = "0123456789ab".to_owned();
        assert_eq!(
            next(&new, &seen(Sight::Content(content(true)), None)),
            Next::Act(Action::Register(version.clone()))
        );
        let registered = object(&json!({}), &json!({"version": version}));
        let there = seen(Sight::Content(content(true)), Some(found(&version, "0123456789abcdef", false)));
        assert!(matches!(plan(&registered, &there, Timestamp::UNIX_EPOCH).standing, Standing::Ready { .. }));
    }

    #[test]
    fn content_that_comes_back_is_that_version_again() {
        let moved_on = object(&json!({}), &json!({"version": "later"}));
        let archived = seen(Sight::Content(content(false)), Some(found("0123456789ab", "0123456789abcdef", true)));
        assert_eq!(next(&moved_on, &archived), Next::Act(Action::Use("0123456789ab".into())));
    }

    #[test]
    fn a_fixed_version_with_other_content_is_refused() {
        let pinned = object(&json!({"version": "3"}), &json!({}));
        let plan = plan(
            &pinned,
            &seen(Sight::Content(content(true)), Some(found("3", "other", false))),
            Timestamp::UNIX_EPOCH,
        );
        assert!(matches!(plan.standing, Standing::Stalled { reason: reasons::VERSION_IMMUTABLE, .. }));
        assert_eq!(plan.next, Next::Rest);
    }

    #[test]
    fn tags_of_the_current_version_that_somebody_changed_are_put_right() {
        let status = json!({"version": "a", "contentDigest": "d", "uri": "azureml://datastores/s/paths/a/"});
        let object = object(&json!({}), &status);
        let with = |change: &dyn Fn(&mut Map)| {
            let mut current = found("a", "d", false);
            change(&mut current.properties.tags);
            let observed = Observed { current: Some(current), ..seen(Sight::Unchanged, None) };
            match next(&object, &observed) {
                Next::Act(Action::Retag(version, tags)) => (version, tags.into_keys().collect::<Vec<_>>()),
                Next::Rest => (String::new(), Vec::new()),
                other => panic!("{other:?}"),
            }
        };
        let set = |name: &'static str, value: &'static str| {
            with(&move |tags: &mut Map| drop(tags.insert(name.to_owned(), value.to_owned())))
        };
        let right = (String::new(), Vec::new());
        assert_eq!(with(&|_| {}), right);
        assert_eq!(set("team", "a"), right, "tags of others are theirs");
        assert_eq!(set(tags::UID, "uid-0"), right, "an earlier cluster registered it");
        for name in [tags::DIGEST, tags::OWNER, tags::REF, tags::ORIGIN] {
            assert_eq!(set(name, "x"), ("a".to_owned(), vec![name.to_owned()]));
        }
        assert_eq!(with(&|tags| tags.clear()).1.len(), 5);
        let current = Some(found("a", "x", false));
        let meanwhile = Observed { current, ..seen(Sight::Reading, None) };
        assert!(matches!(next(&object, &meanwhile), Next::Act(Action::Retag(..))), "a look at the source comes later");
    }

    #[test]
    fn a_version_that_was_registered_with_this_content_is_its_version_whatever_its_tag_says() {
        let uri = "azureml://datastores/s/paths/a/";
        let status = |digest: &str| json!({"version": "0123456789ab", "contentDigest": digest, "uri": uri});
        let mut changed = found("0123456789ab", "x", false);
        changed.properties.data_uri = uri.to_owned();
        let observed = seen(Sight::Content(content(false)), Some(changed));
        let registered = object(&json!({}), &status("0123456789abcdef"));
        assert!(matches!(next(&registered, &observed), Next::Act(Action::Retag(..))));
        let other = plan(&object(&json!({}), &status("d")), &observed, Timestamp::UNIX_EPOCH);
        assert!(matches!(other.standing, Standing::Stalled { reason: reasons::VERSION_IMMUTABLE, .. }));
    }

    #[test]
    fn older_versions_are_archived_and_never_the_current_one() {
        let history = json!([{"version": "b", "contentDigest": ""}, {"version": "a", "contentDigest": ""}]);
        let status = json!({"version": "b", "versions": history});
        let mut observed = seen(Sight::Unchanged, None);
        observed.current = Some(found("b", "", false));
        let one = object(&json!({"versionHistory": {"keep": 1}}), &status);
        assert_eq!(next(&one, &observed), Next::Act(Action::Archive("a".into())));
        observed.in_use.insert("a".to_owned());
        assert_eq!(next(&one, &observed), Next::Rest, "somebody works with it");
        observed.in_use.clear();
        assert_eq!(next(&object(&json!({"versionHistory": {"keep": 2}}), &status), &observed), Next::Rest);
        assert_eq!(next(&object(&json!({}), &status), &observed), Next::Rest);
    }

    #[test]
    fn versions_that_status_no_longer_tells_of_are_archived_too() {
        let told: Vec<Value> = (0..10).map(|at| json!({"version": format!("t{at}"), "contentDigest": ""})).collect();
        let status = json!({"version": "t0", "versions": told});
        let registered = |name: &str, at: &str, tags, is_archived| {
            let mut version = found(name, "", is_archived);
            version.properties.tags = tags;
            version.system_data.created_at = Some(at.to_owned());
            version
        };
        let ours = owner().tags(Origin::Created);
        let mut observed = seen(Sight::Unchanged, None);
        observed.current = Some(found("t0", "", false));
        observed.all = vec![
            registered("t9", "2026-01-09T00:00:00Z", ours.clone(), false),
            registered("old", "2026-01-02T00:00:00Z", ours.clone(), false),
            registered("older", "2026-01-01T00:00:00Z", ours.clone(), false),
            registered("archived", "2026-01-03T00:00:00Z", ours, true),
            registered("theirs", "2026-01-01T00:00:00Z", Default::default(), false),
        ];
        for (keep, expected) in [(11, Some("old")), (12, Some("older")), (13, None), (5, Some("t5"))] {
            let object = object(&json!({"versionHistory": {"keep": keep}}), &status);
            let archive = expected.map_or(Next::Rest, |version| Next::Act(Action::Archive(version.to_owned())));
            assert_eq!(next(&object, &observed), archive, "keep {keep}");
        }
    }

    #[test]
    fn a_look_at_the_source_is_no_news() {
        let condition = |kind: &str, status: &str, reason: &str| {
            json!({"type": kind, "status": status, "reason": reason, "message": "m", "observedGeneration": 1,
                   "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        let ready = object(&json!({}), &json!({"conditions": [condition("Ready", "True", "Succeeded")]}));
        assert!(matches!(reading(&ready).standing, Standing::Ready { message, .. } if message == "m"));
        let stalled = object(
            &json!({}),
            &json!({"conditions": [condition("Ready", "False", "SourceNotFound"), condition("Stalled", "True", "SourceNotFound")]}),
        );
        assert!(matches!(reading(&stalled).standing, Standing::Stalled { reason: reasons::SOURCE_NOT_FOUND, .. }));
    }
}
