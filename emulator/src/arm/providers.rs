//! Resource providers of a subscription: whether they are registered.

use super::{Answer, Arm};
use crate::online::rules::Refusal;
use crate::surface::Reply;
use crate::world::World;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Providers that a workspace needs. They are registered until somebody says otherwise.
pub(crate) const NEEDED: [&str; 5] = [
    "Microsoft.MachineLearningServices",
    "Microsoft.Storage",
    "Microsoft.KeyVault",
    "Microsoft.Insights",
    "Microsoft.ContainerRegistry",
];

fn id(subscription: &str, namespace: &str) -> String {
    format!("/subscriptions/{subscription}/providers/{namespace}")
}

/// `Registered`, `Registering`, `NotRegistered` or `Unregistered`.
pub(crate) fn state(world: &World, subscription: &str, namespace: &str, now: Timestamp) -> String {
    let Some(known) = world.resource(&id(subscription, namespace)) else { return "Registered".to_owned() };
    let text = |field: &str| known.get(field).and_then(Value::as_str);
    let until = text("registeredAt").and_then(|at| at.parse::<Timestamp>().ok());
    match text("registrationState").unwrap_or("Registered") {
        "Registering" if until.is_some_and(|at| at <= now) => "Registered".to_owned(),
        state => state.to_owned(),
    }
}

/// Sets the state of a provider; a registration that goes on ends at an instant.
pub(crate) fn set(world: &mut World, subscription: &str, namespace: &str, state: &str, until: Option<Timestamp>) {
    let id = id(subscription, namespace);
    let at = until.map(|at| at.to_string());
    world.put_resource(&id, json!({"id": id, "namespace": namespace, "registrationState": state, "registeredAt": at}));
}

/// What a write into a subscription gets whose provider is not registered.
pub(crate) fn missing(namespace: &str) -> Refusal {
    Refusal {
        status: 409,
        code: "MissingSubscriptionRegistration",
        message: format!(
            "The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for how to register subscriptions."
        ),
    }
}

/// The name as Azure writes it.
fn cased(namespace: &str) -> String {
    let known = NEEDED.into_iter().chain(["Microsoft.Authorization", "Microsoft.OperationalInsights"]);
    known
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(namespace))
        .map_or_else(|| namespace.to_owned(), str::to_owned)
}

impl Arm<'_> {
    /// `GET providers`, `GET providers/{namespace}`, `POST providers/{namespace}/register`.
    pub(super) fn providers(&self, namespace: Option<&str>, action: Option<&str>) -> Answer {
        let subscription = self.segments.get(1).map_or("", String::as_str);
        let scope = format!("/subscriptions/{subscription}");
        let Some(namespace) = namespace.map(cased) else {
            self.estate.authorize(&self.claims, "Microsoft.Resources/subscriptions/providers/read", &scope)?;
            let all: Vec<Value> = NEEDED.into_iter().map(|name| self.provider(subscription, name)).collect();
            return Ok(Reply::ok(self.call.page_at(&self.id(), all, self.estate.manners.page_size())));
        };
        match (self.call.method.as_str(), action) {
            ("GET", None) => {
                self.estate.authorize(&self.claims, "Microsoft.Resources/subscriptions/providers/read", &scope)?;
            }
            ("POST", Some(verb @ ("register" | "unregister"))) => {
                self.estate.authorize(&self.claims, &format!("{namespace}/{verb}/action"), &scope)?;
                let now = self.estate.clock.now();
                let mut world = self.estate.world();
                let registered = state(&world, subscription, &namespace, now) == "Registered";
                match (verb, registered) {
                    ("register", true) => {}
                    ("register", false) => {
                        let until = now.checked_add(self.estate.manners.registration()).ok();
                        set(&mut world, subscription, &namespace, "Registering", until);
                    }
                    _ => set(&mut world, subscription, &namespace, "Unregistered", None),
                }
            }
            _ => return Ok(Reply::not_allowed()),
        }
        Ok(Reply::ok(self.provider(subscription, &namespace)))
    }

    fn provider(&self, subscription: &str, namespace: &str) -> Value {
        let state = state(&self.estate.world(), subscription, namespace, self.estate.clock.now());
        let types: &[&str] = match namespace {
            "Microsoft.MachineLearningServices" => &[
                "workspaces",
                "workspaces/computes",
                "workspaces/onlineEndpoints",
                "workspaces/onlineEndpoints/deployments",
                "workspaces/batchEndpoints",
                "workspaces/batchEndpoints/deployments",
                "workspaces/schedules",
                "locations",
                "locations/usages",
                "locations/quotas",
                "operations",
            ],
            _ => &[],
        };
        let types: Vec<Value> = types
            .iter()
            .map(|name| json!({"resourceType": name, "locations": [], "apiVersions": ["2025-12-01"], "capabilities": "None"}))
            .collect();
        json!({
            "id": id(subscription, namespace), "namespace": namespace, "registrationState": state,
            "registrationPolicy": "RegistrationRequired", "resourceTypes": types,
        })
    }
}
