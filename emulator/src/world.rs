//! What the emulator holds: principals, role assignments, and ARM resources by their id in lower case.

use crate::access::{allows, covers, role_id};
use crate::tokens::{Claims, LIFETIME};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// An application of a tenant.
#[derive(Debug, Clone, Default)]
pub struct Principal {
    /// Tenant.
    pub tenant: String,
    /// Client id.
    pub client_id: String,
    /// Object id.
    pub object_id: String,
    /// Its client secret, if it has one.
    pub secret: Option<String>,
}

/// A role of a principal in a scope.
#[derive(Debug, Clone)]
struct Assignment {
    scope: String,
    principal: String,
    role: String,
}

/// A refusal of Entra ID.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// `AADSTS90002`
    #[error("AADSTS90002: Tenant '{0}' not found.")]
    Tenant(String),
    /// `AADSTS700016`
    #[error("AADSTS700016: Application with identifier '{0}' was not found in the directory.")]
    Application(String),
    /// `AADSTS7000215`
    #[error("AADSTS7000215: Invalid client secret provided for app '{0}'.")]
    Secret(String),
}

/// All of it. Reading by id takes the same time however much is held.
#[derive(Debug, Default)]
pub struct World {
    principals: HashMap<String, Principal>,
    assignments: BTreeMap<String, Assignment>,
    resources: BTreeMap<String, Value>,
}

impl World {
    /// Adds a principal, or changes it.
    pub fn put_principal(&mut self, principal: Principal) {
        self.principals.insert(principal.client_id.to_ascii_lowercase(), principal);
    }

    /// Gives a role, by its name or GUID, to an object id in a scope. The id is that of the assignment.
    pub fn assign(&mut self, id: &str, scope: &str, principal: &str, role: &str) {
        let role = role_id(role).to_ascii_lowercase();
        let assignment = Assignment { scope: scope.to_owned(), principal: principal.to_ascii_lowercase(), role };
        self.assignments.insert(id.to_ascii_lowercase(), assignment);
    }

    /// Whether an object id may do an action on a resource.
    pub fn may(&self, principal: &str, action: &str, resource: &str) -> bool {
        self.assignments.values().any(|known| {
            known.principal.eq_ignore_ascii_case(principal)
                && covers(&known.scope, resource)
                && allows(&known.role, action)
        })
    }

    /// What a token for a client says that proved itself by its secret.
    ///
    /// # Errors
    /// As Entra ID refuses.
    pub fn sign_in(
        &self,
        tenant: &str,
        client_id: &str,
        secret: &str,
        audience: &str,
        now: i64,
    ) -> Result<Claims, SignInError> {
        if !self.principals.values().any(|known| known.tenant.eq_ignore_ascii_case(tenant)) {
            return Err(SignInError::Tenant(tenant.to_owned()));
        }
        let known = self.principals.get(&client_id.to_ascii_lowercase());
        let known = known.filter(|known| known.tenant.eq_ignore_ascii_case(tenant));
        let known = known.ok_or_else(|| SignInError::Application(client_id.to_owned()))?;
        if known.secret.as_deref() != Some(secret) {
            return Err(SignInError::Secret(client_id.to_owned()));
        }
        Ok(Claims {
            aud: audience.to_owned(),
            iss: format!("https://sts.windows.net/{}/", known.tenant),
            tid: known.tenant.clone(),
            oid: known.object_id.clone(),
            appid: known.client_id.clone(),
            iat: now,
            exp: now + LIFETIME,
        })
    }

    /// A resource by its ARM id, in any case.
    pub fn resource(&self, id: &str) -> Option<&Value> {
        self.resources.get(&id.to_ascii_lowercase())
    }

    /// Makes or replaces a resource.
    pub fn put_resource(&mut self, id: &str, resource: Value) {
        self.resources.insert(id.to_ascii_lowercase(), resource);
    }

    /// Removes a resource and all below it; whether it was there.
    pub fn delete_resource(&mut self, id: &str) -> bool {
        let id = id.to_ascii_lowercase();
        let below = format!("{id}/");
        let children: Vec<String> = self
            .resources
            .range(below.clone()..)
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(&below))
            .cloned()
            .collect();
        for child in children {
            self.resources.remove(&child);
        }
        self.resources.remove(&id).is_some()
    }

    /// Makes a workspace that is ready, or gives the one that is there.
    pub fn put_workspace(&mut self, subscription: &str, group: &str, name: &str, location: &str) -> Value {
        let id = format!(
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/workspaces/{name}"
        );
        if let Some(known) = self.resource(&id) {
            return known.clone();
        }
        let workspace = json!({
            "id": id, "name": name, "type": "Microsoft.MachineLearningServices/workspaces", "location": location,
            "properties": {"workspaceId": uuid::Uuid::new_v4().to_string(), "provisioningState": "Succeeded"},
        });
        self.put_resource(&id, workspace.clone());
        workspace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World {
        let mut world = World::default();
        world.put_principal(Principal {
            tenant: "t".into(),
            client_id: "app".into(),
            object_id: "oid".into(),
            secret: Some("good".into()),
        });
        world
    }

    #[test]
    fn a_client_signs_in_with_its_own_secret_in_its_own_tenant() {
        let world = world();
        let claims = world.sign_in("T", "APP", "good", "https://ml.azure.com", 10).unwrap();
        assert_eq!((claims.oid.as_str(), claims.exp), ("oid", 10 + LIFETIME));
        let refused = |tenant, app, secret| world.sign_in(tenant, app, secret, "a", 10).unwrap_err().to_string();
        assert!(refused("u", "app", "good").starts_with("AADSTS90002"));
        assert!(refused("t", "other", "good").starts_with("AADSTS700016"));
        assert!(refused("t", "app", "bad").starts_with("AADSTS7000215"));
    }

    #[test]
    fn a_principal_may_do_what_its_role_allows_below_its_scope() {
        let mut world = world();
        let write = "Microsoft.MachineLearningServices/workspaces/jobs/write";
        assert!(!world.may("oid", write, "/subscriptions/s/x"));
        world.assign("one", "/subscriptions/s", "OID", "Contributor");
        assert!(world.may("oid", write, "/subscriptions/S/x"));
        assert!(!world.may("oid", write, "/subscriptions/s2/x"));
    }

    #[test]
    fn a_workspace_is_made_once_and_goes_with_all_below_it() {
        let mut world = world();
        let made = world.put_workspace("s", "rg", "ws", "westeurope");
        assert_eq!(world.put_workspace("S", "RG", "WS", "westeurope"), made);
        let id = made["id"].as_str().unwrap().to_owned();
        world.put_resource(&format!("{id}/computes/cpu"), json!({}));
        world.put_resource(&format!("{id}2"), json!({}));
        assert!(world.delete_resource(&id));
        assert!(world.resource(&format!("{id}/computes/cpu")).is_none());
        assert!(world.resource(&format!("{id}2")).is_some());
        assert!(!world.delete_resource(&id));
    }
}
