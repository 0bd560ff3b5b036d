//! What the emulator holds: principals, role assignments, and ARM resources by their id in lower case.

use crate::access::{allows, covers, role_id};
use crate::data_dir::{Change, text};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Whose tokens an application may sign in with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FederatedCredential {
    /// Issuer of the token.
    pub issuer: String,
    /// Subject of the token.
    pub subject: String,
    /// Audience of the token.
    pub audience: String,
}

/// An application of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Tenant.
    pub tenant: String,
    /// Client id.
    pub client_id: String,
    /// Object id.
    pub object_id: String,
    /// Its client secret, if it has one.
    pub secret: Option<String>,
    /// Its federated credentials.
    pub federated: Vec<FederatedCredential>,
    /// Its certificates, as PEM.
    pub certificates: Vec<String>,
    /// Whether it is the identity of this machine.
    pub managed: bool,
}

/// A role of a principal in a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Its name, a GUID.
    pub id: String,
    /// ARM id of what it is for.
    pub scope: String,
    /// Object id.
    pub principal: String,
    /// GUID of the role.
    pub role: String,
    /// `User`, `Group` or `ServicePrincipal`, if it was said.
    pub principal_type: Option<String>,
    /// In words, if it was said.
    pub description: Option<String>,
    /// From when it counts; at once when nothing is said.
    pub from: Option<Timestamp>,
}

/// A resource, and the place it has in the order in which all were made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Counts up.
    pub order: u64,
    /// As ARM shows it.
    pub body: Value,
}

/// All of it. Reading by id takes the same time however much is held.
#[derive(Debug, Default)]
pub struct World {
    principals: HashMap<String, Principal>,
    issuers: HashMap<String, Value>,
    assignments: BTreeMap<String, Assignment>,
    resources: BTreeMap<String, Resource>,
    /// Ids of the resources that are below no other, by their type in lower case: what looks at all of a type, as clocks
    /// do each second, must not look at all that is held.
    of_type: BTreeMap<String, BTreeSet<String>>,
    made: u64,
    /// Records that changed and are not written down yet; none when nothing is.
    touched: Option<BTreeSet<(Kind, String)>>,
}

/// What a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Principal,
    Issuer,
    Assignment,
    Resource,
}

/// An issuer's keys, as they are kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredIssuer {
    pub(crate) issuer: String,
    pub(crate) keys: Value,
}

/// A resource, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredResource {
    id: String,
    resource: Resource,
}

/// What keys of records begin with.
pub(crate) const PRINCIPAL: &str = "principal\t";
/// Of issuers.
pub(crate) const ISSUER: &str = "issuer\t";
/// Of role assignments.
pub(crate) const ASSIGNMENT: &str = "assignment\t";
/// Of resources.
pub(crate) const RESOURCE: &str = "resource\t";

impl World {
    /// From now on remembers what changes.
    pub(crate) fn remember(&mut self) {
        self.touched = Some(BTreeSet::new());
    }

    fn touch(&mut self, kind: Kind, id: &str) {
        if let Some(touched) = &mut self.touched {
            touched.insert((kind, id.to_owned()));
        }
    }

    /// What changed since this was last asked, as records.
    pub(crate) fn changes(&mut self) -> Vec<Change> {
        let Some(touched) = &mut self.touched else { return Vec::new() };
        let touched = std::mem::take(touched);
        let record = |(kind, id): (Kind, String)| match kind {
            Kind::Principal => (PRINCIPAL.to_owned() + &id, self.principals.get(&id).and_then(text)),
            Kind::Issuer => {
                let issuer = self.issuers.get(&id);
                let stored = issuer.map(|keys| StoredIssuer { issuer: id.clone(), keys: keys.clone() });
                (ISSUER.to_owned() + &id, stored.as_ref().and_then(text))
            }
            Kind::Assignment => (ASSIGNMENT.to_owned() + &id, self.assignments.get(&id).and_then(text)),
            Kind::Resource => {
                let known = self.resources.get(&id);
                let stored = known.map(|resource| StoredResource { id: id.clone(), resource: resource.clone() });
                (RESOURCE.to_owned() + &id, stored.as_ref().and_then(text))
            }
        };
        touched.into_iter().map(record).collect()
    }

    /// Puts back a resource that was kept, in its place.
    pub(crate) fn restore(&mut self, stored: StoredResource) {
        self.made = self.made.max(stored.resource.order);
        self.list(&stored.id);
        self.resources.insert(stored.id, stored.resource);
    }

    /// Writes down of which type a resource is that comes.
    fn list(&mut self, key: &str) {
        if let Some(kind) = top_type(key) {
            self.of_type.entry(kind.to_owned()).or_default().insert(key.to_owned());
        }
    }

    /// Takes a resource away.
    fn take(&mut self, key: &str) -> Option<Resource> {
        self.touch(Kind::Resource, key);
        if let Some(known) = top_type(key).and_then(|kind| self.of_type.get_mut(kind)) {
            known.remove(key);
        }
        self.resources.remove(key)
    }

    /// Adds a principal, or changes it.
    pub fn put_principal(&mut self, principal: Principal) {
        let key = principal.client_id.to_ascii_lowercase();
        self.touch(Kind::Principal, &key);
        self.principals.insert(key, principal);
    }

    /// A principal by its client id.
    pub fn principal(&self, client_id: &str) -> Option<&Principal> {
        self.principals.get(&client_id.to_ascii_lowercase())
    }

    /// All principals.
    pub fn principals(&self) -> impl Iterator<Item = &Principal> {
        self.principals.values()
    }

    /// Adds an issuer's keys (a JWKS), or changes them.
    pub fn put_issuer(&mut self, issuer: &str, keys: Value) {
        let key = issuer.trim_end_matches('/').to_owned();
        self.touch(Kind::Issuer, &key);
        self.issuers.insert(key, keys);
    }

    /// An issuer's keys.
    pub fn issuer(&self, issuer: &str) -> Option<&Value> {
        self.issuers.get(issuer.trim_end_matches('/'))
    }

    /// Adds a role assignment.
    pub fn put_assignment(&mut self, mut assignment: Assignment) {
        assignment.role = role_id(&assignment.role).to_ascii_lowercase();
        let key = assignment.id.to_ascii_lowercase();
        self.touch(Kind::Assignment, &key);
        self.assignments.insert(key, assignment);
    }

    /// Gives a role, by its name or GUID, to an object id in a scope. The id is that of the assignment.
    pub fn assign(&mut self, id: &str, scope: &str, principal: &str, role: &str) {
        self.put_assignment(Assignment {
            id: id.to_owned(),
            scope: scope.to_owned(),
            principal: principal.to_owned(),
            role: role.to_owned(),
            principal_type: None,
            description: None,
            from: None,
        });
    }

    /// A role assignment by its name.
    pub fn assignment(&self, id: &str) -> Option<&Assignment> {
        self.assignments.get(&id.to_ascii_lowercase())
    }

    /// All role assignments.
    pub fn assignments(&self) -> impl Iterator<Item = &Assignment> {
        self.assignments.values()
    }

    /// Takes a role back.
    pub fn remove_assignment(&mut self, id: &str) -> Option<Assignment> {
        let key = id.to_ascii_lowercase();
        self.touch(Kind::Assignment, &key);
        self.assignments.remove(&key)
    }

    /// Whether an object id may do an action on a resource at a time.
    pub fn may(&self, principal: &str, action: &str, resource: &str, now: Timestamp) -> bool {
        self.assignments.values().any(|known| {
            known.principal.eq_ignore_ascii_case(principal)
                && known.from.is_none_or(|from| from <= now)
                && covers(&known.scope, resource)
                && allows(&known.role, action)
        })
    }

    /// A resource by its ARM id, in any case.
    pub fn resource(&self, id: &str) -> Option<&Value> {
        self.resources.get(&id.to_ascii_lowercase()).map(|resource| &resource.body)
    }

    /// The same, to be changed.
    pub fn resource_mut(&mut self, id: &str) -> Option<&mut Value> {
        let key = id.to_ascii_lowercase();
        self.touch(Kind::Resource, &key);
        self.resources.get_mut(&key).map(|resource| &mut resource.body)
    }

    /// Makes or replaces a resource; one that is replaced keeps its place.
    pub fn put_resource(&mut self, id: &str, body: Value) {
        self.made += 1;
        let order = self.made;
        let key = id.to_ascii_lowercase();
        self.touch(Kind::Resource, &key);
        self.list(&key);
        let resource = self.resources.entry(key);
        resource.and_modify(|known| known.body = body.clone()).or_insert(Resource { order, body });
    }

    /// All resources whose id begins so, by id.
    pub fn below<'a>(&'a self, prefix: &str) -> impl Iterator<Item = (&'a str, &'a Resource)> + use<'a> {
        let prefix = prefix.to_ascii_lowercase();
        self.resources
            .range(prefix.clone()..)
            .take_while(move |(key, _)| key.starts_with(&prefix))
            .map(|(key, resource)| (key.as_str(), resource))
    }

    /// The resources right below a collection such as `.../workspaces/ws/computes`, in the order they were made.
    pub fn members(&self, collection: &str) -> Vec<&Value> {
        let prefix = format!("{}/", collection.trim_end_matches('/'));
        let length = prefix.len();
        let of_it = |key: &str| key.get(length..).is_some_and(|rest| !rest.contains('/'));
        let mut found: Vec<&Resource> =
            self.below(&prefix).filter(|(key, _)| of_it(key)).map(|(_, resource)| resource).collect();
        found.sort_by_key(|resource| resource.order);
        found.into_iter().map(|resource| &resource.body).collect()
    }

    /// All resources of a type that is below no other, such as `Microsoft.MachineLearningServices/workspaces`, with their
    /// ids in lower case.
    pub fn of_type<'a>(&'a self, kind: &str) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        let ids = self.of_type.get(&kind.to_ascii_lowercase());
        ids.into_iter().flatten().filter_map(|id| Some((id.as_str(), &self.resources.get(id)?.body)))
    }

    /// All workspaces with their ids in lower case.
    pub fn workspaces(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.of_type("Microsoft.MachineLearningServices/workspaces")
    }

    /// A registry by its name, in any case, with its id in lower case.
    pub fn registry(&self, name: &str) -> Option<(&str, &Value)> {
        let ending = format!("/providers/microsoft.machinelearningservices/registries/{}", name.to_ascii_lowercase());
        let found = self.below("/subscriptions/").find(|(key, _)| key.ends_with(&ending));
        found.map(|(key, resource)| (key, &resource.body))
    }

    /// Takes a resource and all below it out, role assignments too, as one value.
    pub fn park(&mut self, id: &str) -> Value {
        let id = id.to_ascii_lowercase();
        let mut all: Vec<(u64, String, Value)> = self
            .below(&id)
            .filter(|(key, _)| covers(&id, key))
            .map(|(key, resource)| (resource.order, key.to_owned(), resource.body.clone()))
            .collect();
        all.sort_by_key(|(order, ..)| *order);
        let resources: Vec<Value> = all.into_iter().map(|(_, key, body)| json!({"key": key, "body": body})).collect();
        let roles: Vec<&Assignment> = self.assignments.values().filter(|known| covers(&id, &known.scope)).collect();
        let parked = json!({"resources": resources, "assignments": roles});
        self.delete_resource(&id);
        parked
    }

    /// Puts it back.
    pub fn unpark(&mut self, parked: &Value) {
        let list = |name: &str| parked.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        for resource in list("resources") {
            if let (Some(key), Some(body)) = (resource.get("key").and_then(Value::as_str), resource.get("body")) {
                self.put_resource(key, body.clone());
            }
        }
        let assignments = list("assignments").into_iter().filter_map(|known| serde_json::from_value(known).ok());
        assignments.for_each(|assignment| self.put_assignment(assignment));
    }

    /// Removes a resource and all below it, role assignments too; whether it was there.
    pub fn delete_resource(&mut self, id: &str) -> bool {
        let id = id.to_ascii_lowercase();
        let children: Vec<String> = self.below(&format!("{id}/")).map(|(key, _)| key.to_owned()).collect();
        for child in children {
            self.take(&child);
        }
        let below = self.assignments.iter().filter(|(_, assignment)| covers(&id, &assignment.scope));
        let below: Vec<String> = below.map(|(key, _)| key.clone()).collect();
        for assignment in below {
            self.remove_assignment(&assignment);
        }
        self.take(&id).is_some()
    }
}

/// The type of a resource that is below no other, by its id in lower case.
fn top_type(key: &str) -> Option<&str> {
    let (_, below) = key.split_once("/providers/")?;
    let (kind, _) = below.rsplit_once('/')?;
    (kind.matches('/').count() == 1).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_may_do_what_its_role_allows_below_its_scope() {
        let mut world = World::default();
        let write = "Microsoft.MachineLearningServices/workspaces/jobs/write";
        assert!(!world.may("oid", write, "/subscriptions/s/x", Timestamp::UNIX_EPOCH));
        world.assign("one", "/subscriptions/s", "OID", "Contributor");
        assert!(world.may("oid", write, "/subscriptions/S/x", Timestamp::UNIX_EPOCH));
        assert!(!world.may("oid", write, "/subscriptions/s2/x", Timestamp::UNIX_EPOCH));
        let late = Timestamp::from_second(60).unwrap();
        let one = world.assignment("one").cloned().unwrap();
        world.put_assignment(Assignment { from: Some(late), ..one });
        assert!(!world.may("oid", write, "/subscriptions/s/x", Timestamp::UNIX_EPOCH));
        assert!(world.may("oid", write, "/subscriptions/s/x", late));
        world.remove_assignment("ONE");
        assert!(!world.may("oid", write, "/subscriptions/s/x", Timestamp::UNIX_EPOCH));
    }

    #[test]
    fn what_is_below_no_other_is_found_by_its_type() {
        let mut world = World::default();
        let group = "/subscriptions/s/resourceGroups/g";
        let setting = format!("{group}/providers/Microsoft.Insights/autoscaleSettings/a");
        let workspace = format!("{group}/providers/Microsoft.MachineLearningServices/workspaces/ws");
        for id in [&setting, &workspace, &format!("{workspace}/data/d"), &format!("{workspace}/data/d/versions/1")] {
            world.put_resource(id, json!({"id": id}));
        }
        let ids = |world: &World, kind: &str| world.of_type(kind).map(|(id, _)| id.to_owned()).collect::<Vec<_>>();
        let kind = "microsoft.insights/autoscaleSettings";
        assert_eq!(ids(&world, kind), [setting.to_ascii_lowercase()]);
        assert_eq!(world.workspaces().count(), 1);
        assert!(ids(&world, "Microsoft.MachineLearningServices/workspaces/data").is_empty());
        assert!(world.delete_resource(&setting));
        assert!(ids(&world, kind).is_empty());
        let stored =
            StoredResource { id: setting.to_ascii_lowercase(), resource: Resource { order: 9, body: json!({}) } };
        world.restore(stored);
        assert_eq!(ids(&world, kind), [setting.to_ascii_lowercase()]);
    }

    #[test]
    fn a_resource_goes_with_all_below_it() {
        let mut world = World::default();
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/ws";
        for id in [id, &format!("{id}/computes/b"), &format!("{id}/computes/a"), &format!("{id}2")] {
            world.put_resource(id, json!({"id": id}));
        }
        world.assign("one", &format!("{id}/computes/b"), "o", "Reader");
        assert_eq!(world.workspaces().count(), 2);
        let members = world.members(&format!("{id}/computes"));
        assert_eq!(members, [&json!({"id": format!("{id}/computes/b")}), &json!({"id": format!("{id}/computes/a")})]);
        assert!(world.delete_resource(id));
        assert!(world.resource(&format!("{id}/computes/a")).is_none());
        assert_eq!(world.assignments().count(), 0);
        assert!(world.resource(&format!("{id}2")).is_some());
        assert!(!world.delete_resource(id));
        world.put_resource(id, json!({"id": id}));
        world.put_resource(&format!("{id}/data/d"), json!({"id": "d"}));
        world.assign("two", id, "o", "Reader");
        let parked = world.park(id);
        assert_eq!((world.workspaces().count(), world.assignments().count()), (1, 0));
        world.unpark(&parked);
        assert_eq!(world.resource(&format!("{id}/data/d")), Some(&json!({"id": "d"})));
        assert!(world.may("o", "x/read", id, Timestamp::UNIX_EPOCH));
    }
}
