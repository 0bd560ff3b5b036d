//! Endpoints and deployments as they are held, and as ARM shows them.

use super::serving::Serving;
use super::traffic::Shares;
use crate::run_history::run::Location;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};

/// Lines of a container that are kept.
const LINES: usize = 1000;

/// A provisioning state; by a name of its own, for serde would borrow it from what it reads.
type State = &'static str;

/// An online endpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) name: String,
    /// ARM id of the workspace, as created.
    pub(crate) workspace_id: String,
    pub(crate) location: String,
    /// As put: `tags`, `identity`, `kind`, `sku`.
    pub(crate) envelope: Map<String, Value>,
    /// `properties` as put, traffic apart.
    pub(crate) properties: Map<String, Value>,
    pub(crate) traffic: Shares,
    pub(crate) mirror: Shares,
    #[serde(deserialize_with = "super::keep::state")]
    pub(crate) state: State,
    /// The operation under way on it or one of its deployments.
    pub(crate) busy: Option<String>,
    pub(crate) primary_key: String,
    pub(crate) secondary_key: String,
    /// Tokens that were given out, with when they end.
    pub(crate) tokens: BTreeMap<String, Timestamp>,
    pub(crate) deployments: BTreeMap<String, Deployment>,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    /// Requests routed by weight so far.
    #[serde(skip)]
    pub(crate) routed: u64,
}

/// A deployment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Deployment {
    pub(crate) name: String,
    /// `tags`, `sku`, `identity`.
    pub(crate) envelope: Map<String, Value>,
    pub(crate) properties: Map<String, Value>,
    #[serde(deserialize_with = "super::keep::state")]
    pub(crate) state: State,
    #[serde(skip)]
    pub(crate) serving: Option<Serving>,
    /// Where the model was loaded from: there it is, whatever becomes of the version that named it.
    pub(crate) folder: Option<Location>,
    #[serde(skip)]
    pub(crate) lines: VecDeque<String>,
    /// Requests being answered.
    #[serde(skip)]
    pub(crate) pending: usize,
    pub(crate) created: Timestamp,
    /// When its count was changed by an autoscale setting.
    #[serde(default)]
    pub(crate) scaled: Option<Timestamp>,
}

impl Deployment {
    /// Adds a line to the container's log.
    pub(crate) fn say(&mut self, at: Timestamp, line: &str) {
        if self.lines.len() >= LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{} {line}", at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ")));
    }

    /// Whether its rows go to Application Insights.
    pub(crate) fn insights(&self) -> bool {
        self.properties.get("appInsightsEnabled").and_then(Value::as_bool).unwrap_or(false)
    }

    fn setting(&self, name: &str) -> Option<&Value> {
        self.properties.get("requestSettings")?.get(name)
    }

    /// Requests that can be in it at a time; more are answered with 429 ("Troubleshoot online endpoints",
    /// learn.microsoft.com: twice the concurrency of all instances).
    pub(crate) fn capacity(&self) -> usize {
        let each = self.setting("maxConcurrentRequestsPerInstance").and_then(Value::as_u64).unwrap_or(1);
        (2 * each * self.instances().unsigned_abs()).max(1) as usize
    }

    /// Machines that it has.
    pub(crate) fn instances(&self) -> i64 {
        self.envelope.get("sku").and_then(|sku| sku.get("capacity")).and_then(Value::as_i64).unwrap_or(1)
    }

    /// Size of each.
    pub(crate) fn size(&self) -> &str {
        self.properties.get("instanceType").and_then(Value::as_str).unwrap_or_default()
    }

    /// How long a request may take; five seconds when nothing is said.
    pub(crate) fn timeout(&self) -> std::time::Duration {
        let text = self.setting("requestTimeout").and_then(Value::as_str);
        text.and_then(crate::automl::request::iso_duration).unwrap_or(std::time::Duration::from_secs(5))
    }
}

impl Endpoint {
    /// ARM id.
    pub(crate) fn id(&self) -> String {
        format!("{}/onlineEndpoints/{}", self.workspace_id, self.name)
    }

    /// `authMode`, as put.
    pub(crate) fn auth_mode(&self) -> &str {
        self.properties.get("authMode").and_then(Value::as_str).unwrap_or("Key")
    }

    /// As `GET onlineEndpoints/{name}` shows it; `base` is the address of the data planes.
    pub(crate) fn show(&self, base: &str) -> Value {
        let mut properties = self.properties.clone();
        let route = format!("{base}/endpoints/{}/{}", self.location, self.name);
        let mut own = properties.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        own.insert("azureml.onlineendpointid".to_owned(), Value::from(self.id().to_ascii_lowercase()));
        own.insert(
            "createdAt".to_owned(),
            Value::from(self.created.strftime("%Y-%m-%dT%H:%M:%S.%6f+0000").to_string()),
        );
        own.insert(
            "lastModifiedAt".to_owned(),
            Value::from(self.modified.strftime("%Y-%m-%dT%H:%M:%S.%6f+0000").to_string()),
        );
        properties.remove("keys");
        for (key, value) in [
            ("authMode", Value::from(self.auth_mode())),
            ("traffic", json!(self.traffic)),
            ("mirrorTraffic", json!(self.mirror)),
            ("provisioningState", Value::from(self.state)),
            ("scoringUri", Value::from(format!("{route}/score"))),
            ("swaggerUri", Value::from(format!("{route}/swagger.json"))),
            ("properties", Value::Object(own)),
        ] {
            properties.insert(key.to_owned(), value);
        }
        properties.entry("publicNetworkAccess").or_insert_with(|| Value::from("Enabled"));
        let mut shown = envelope(&self.id(), &self.name, "onlineEndpoints", &self.location, &self.envelope);
        shown.entry("kind").or_insert_with(|| Value::from("Managed"));
        shown.insert("properties".to_owned(), Value::Object(properties));
        shown.insert(
            "systemData".to_owned(),
            json!({"createdAt": self.created.to_string(), "lastModifiedAt": self.modified.to_string()}),
        );
        Value::Object(shown)
    }

    /// As `GET .../deployments/{name}` shows it.
    pub(crate) fn show_deployment(&self, deployment: &Deployment) -> Value {
        let mut properties = deployment.properties.clone();
        properties.insert("provisioningState".to_owned(), Value::from(deployment.state));
        let defaults = [
            ("endpointComputeType", json!("Managed")),
            ("scaleSettings", json!({"scaleType": "Default"})),
            ("appInsightsEnabled", json!(false)),
            ("egressPublicNetworkAccess", json!("Enabled")),
            (
                "requestSettings",
                json!({"requestTimeout": "PT5S", "maxConcurrentRequestsPerInstance": 1, "maxQueueWait": "PT0.5S"}),
            ),
            (
                "livenessProbe",
                json!({"initialDelay": "PT10S", "period": "PT10S", "timeout": "PT2S", "successThreshold": 1, "failureThreshold": 30}),
            ),
            (
                "readinessProbe",
                json!({"initialDelay": "PT10S", "period": "PT10S", "timeout": "PT2S", "successThreshold": 1, "failureThreshold": 30}),
            ),
            ("environmentVariables", json!({})),
            ("properties", json!({})),
        ];
        for (key, value) in defaults {
            if properties.get(key).is_none_or(Value::is_null) {
                properties.insert(key.to_owned(), value);
            }
        }
        let id = format!("{}/deployments/{}", self.id(), deployment.name);
        let mut shown =
            envelope(&id, &deployment.name, "onlineEndpoints/deployments", &self.location, &deployment.envelope);
        shown.entry("sku").or_insert_with(|| json!({"name": "Default", "capacity": 1}));
        shown.insert("properties".to_owned(), Value::Object(properties));
        shown.insert("systemData".to_owned(), json!({"createdAt": deployment.created.to_string()}));
        Value::Object(shown)
    }
}

fn envelope(id: &str, name: &str, kind: &str, location: &str, put: &Map<String, Value>) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("id".to_owned(), Value::from(id));
    shown.insert("name".to_owned(), Value::from(name));
    shown.insert("type".to_owned(), Value::from(format!("Microsoft.MachineLearningServices/workspaces/{kind}")));
    shown.insert("location".to_owned(), Value::from(location));
    shown.insert(
        "tags".to_owned(),
        put.get("tags").filter(|tags| !tags.is_null()).cloned().unwrap_or_else(|| json!({})),
    );
    for key in ["identity", "kind", "sku"] {
        if let Some(value) = put.get(key).filter(|value| !value.is_null()) {
            shown.insert(key.to_owned(), value.clone());
        }
    }
    shown
}
