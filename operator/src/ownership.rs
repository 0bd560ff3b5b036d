//! Who owns an object in Azure: written in its tags, judged before every write.
//!
//! The owner is derived from names that live in Git (installation, namespace, kind, name), so that a cluster rebuilt
//! from Git finds its objects again; the `uid` tag tells one live cluster from another.

use std::collections::BTreeMap;

use azureml_crds::{reasons, tags};
use uuid::Uuid;

use crate::error::Halt;

/// The namespace of owner ids: UUIDv5 of `azureml.dev` in the DNS name space.
fn root() -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"azureml.dev")
}

/// ARM's limit on a tag's value is 256 characters (Azure ML's own is 1000): the readable reference is cut to it.
const REF_LIMIT: usize = 256;

/// Whether the object was made by the operator or taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The operator made it.
    Created,
    /// It existed and was taken over by `adoptionPolicy: Adopt`.
    Adopted,
}

impl Origin {
    /// As the tag and the status spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Adopted => "adopted",
        }
    }

    /// From the tag's text; anything else is `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "created" => Some(Self::Created),
            "adopted" => Some(Self::Adopted),
            _ => None,
        }
    }
}

/// The identity under which one custom resource owns objects in Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// UUIDv5 of `<installation>/<namespace>/<kind>/<name>`.
    pub id: Uuid,
    /// `<installation>/<namespace>/<kind>/<name>`, for people.
    pub reference: String,
    /// `metadata.uid` of the live object.
    pub uid: String,
}

impl Owner {
    /// The owner for a custom resource of this installation.
    #[must_use]
    pub fn new(installation: &str, namespace: &str, kind: &str, name: &str, uid: &str) -> Self {
        let reference = format!("{installation}/{namespace}/{kind}/{name}");
        Self { id: Uuid::new_v5(&root(), reference.as_bytes()), reference, uid: uid.to_owned() }
    }

    /// The four tags that mark an object as ours.
    #[must_use]
    pub fn tags(&self, origin: Origin) -> BTreeMap<String, String> {
        BTreeMap::from([
            (tags::OWNER.to_owned(), self.id.to_string()),
            (tags::REF.to_owned(), self.reference.chars().take(REF_LIMIT).collect()),
            (tags::ORIGIN.to_owned(), origin.as_str().to_owned()),
            (tags::UID.to_owned(), self.uid.clone()),
        ])
    }

    /// `existing` with our four tags set; everything else is kept.
    #[must_use]
    pub fn tagged(&self, existing: &BTreeMap<String, String>, origin: Origin) -> BTreeMap<String, String> {
        let mut all = existing.clone();
        all.extend(self.tags(origin));
        all
    }

    /// For an object (`Cluster "cpu"`) that we held and that bears another uid now.
    #[must_use]
    pub fn taken(&self, what: &str, uid: &str) -> Halt {
        let installation = self.reference.split('/').next().unwrap_or_default();
        Halt::person(
            reasons::OWNERSHIP_TAKEN,
            format!(
                "{what} is now held by another live Kubernetes cluster of installation {installation:?} (its object's uid is {uid}). Give one of the two another --installation, or delete the object in one of them."
            ),
        )
    }

    /// Judges an existing object by its tags. `held` says that status already records this object as ours.
    #[must_use]
    pub fn judge(&self, tags: &BTreeMap<String, String>, held: bool) -> Ownership {
        let owner = tags.get(tags::OWNER).map(String::as_str).unwrap_or_default();
        if owner.is_empty() {
            return Ownership::Foreign { owner: None };
        }
        if owner != self.id.to_string() {
            let by = tags.get(tags::REF).cloned().unwrap_or_else(|| owner.to_owned());
            return Ownership::Foreign { owner: Some(by) };
        }
        let origin = tags.get(tags::ORIGIN).and_then(|text| Origin::parse(text)).unwrap_or(Origin::Created);
        match tags.get(tags::UID) {
            Some(uid) if *uid == self.uid => Ownership::Ours(origin),
            Some(uid) if held => Ownership::Taken { uid: uid.clone() },
            _ => Ownership::Reattach(origin),
        }
    }
}

/// What an object's tags say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Ours, and by this very object.
    Ours(Origin),
    /// Ours by name, written by an earlier object of the same name (a cluster rebuilt from Git): rewrite the uid once.
    Reattach(Origin),
    /// We held it, and another live cluster of the same installation name has taken it: stop.
    Taken {
        /// The uid that stands there now.
        uid: String,
    },
    /// Another owner's, or nobody's.
    Foreign {
        /// The other owner, where one is named.
        owner: Option<String>,
    },
}

impl Ownership {
    /// How it came to us, where it is this very object's.
    #[must_use]
    pub fn ours(&self) -> Option<Origin> {
        match self {
            Self::Ours(origin) => Some(*origin),
            _ => None,
        }
    }
}

/// For an object (`Cluster "cpu"`) that is not ours; `help` says what a person can do.
#[must_use]
pub fn foreign(what: &str, owner: Option<&str>, help: &str) -> Halt {
    let whose = owner.map_or_else(|| "was not made by this object".to_owned(), |owner| format!("belongs to {owner}"));
    Halt::person(reasons::NOT_OWNED, format!("{what} exists in Azure and {whose}; it is left alone. {help}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner::new("prod", "team-a", "AmlEndpoint", "bank", "uid-1")
    }

    #[test]
    fn the_same_names_give_the_same_owner_and_another_installation_another() {
        assert_eq!(owner().id, Owner::new("prod", "team-a", "AmlEndpoint", "bank", "uid-2").id);
        assert_ne!(owner().id, Owner::new("test", "team-a", "AmlEndpoint", "bank", "uid-1").id);
    }

    #[test]
    fn tags_are_judged_by_owner_then_uid() {
        let ours = owner().tags(Origin::Created);
        assert_eq!(owner().judge(&ours, true), Ownership::Ours(Origin::Created));

        let rebuilt = Owner::new("prod", "team-a", "AmlEndpoint", "bank", "uid-2");
        assert_eq!(rebuilt.judge(&ours, false), Ownership::Reattach(Origin::Created));
        assert_eq!(rebuilt.judge(&ours, true), Ownership::Taken { uid: "uid-1".into() });

        let other = Owner::new("prod", "team-b", "AmlEndpoint", "bank", "uid-1");
        assert_eq!(
            other.judge(&ours, false),
            Ownership::Foreign { owner: Some("prod/team-a/AmlEndpoint/bank".into()) }
        );
        assert_eq!(other.judge(&BTreeMap::new(), true), Ownership::Foreign { owner: None });
    }

    #[test]
    fn an_adopted_object_stays_adopted_when_found_again() {
        let adopted = owner().tags(Origin::Adopted);
        let rebuilt = Owner::new("prod", "team-a", "AmlEndpoint", "bank", "uid-2");
        assert_eq!(rebuilt.judge(&adopted, false), Ownership::Reattach(Origin::Adopted));
    }
}
