//! Azure Monitor (Microsoft.Insights): metrics, diagnostic settings, autoscale settings.

use super::{Answer, Arm};
use crate::online::rules::Refusal;
use crate::surface::Reply;
use crate::telemetry::metrics::{METRICS, Question, Scope};
use serde_json::{Value, json};

/// Categories of logs ("Supported resource logs", learn.microsoft.com).
const OF_ENDPOINTS: &[&str] =
    &["AmlOnlineEndpointConsoleLog", "AmlOnlineEndpointTrafficLog", "AmlOnlineEndpointEventLog"];
const OF_WORKSPACES: &[&str] = &[
    "AmlComputeClusterEvent",
    "AmlComputeClusterNodeEvent",
    "AmlComputeCpuGpuUtilization",
    "AmlComputeJobEvent",
    "AmlRunStatusChangedEvent",
    "ComputeInstanceEvent",
    "DataLabelChangeEvent",
    "DataLabelReadEvent",
    "DataSetChangeEvent",
    "DataSetReadEvent",
    "DataStoreChangeEvent",
    "DataStoreReadEvent",
    "DeploymentEventACI",
    "DeploymentEventAKS",
    "DeploymentReadEvent",
    "EnvironmentChangeEvent",
    "EnvironmentReadEvent",
    "InferencingOperationACI",
    "InferencingOperationAKS",
    "ModelsActionEvent",
    "ModelsChangeEvent",
    "ModelsReadEvent",
    "PipelineChangeEvent",
    "PipelineReadEvent",
    "RunEvent",
    "RunReadEvent",
];

/// Where logs and metrics can be sent.
const SINKS: [&str; 5] =
    ["workspaceId", "storageAccountId", "eventHubAuthorizationRuleId", "marketplacePartnerId", "serviceBusRuleId"];

/// Settings that a resource has at most.
const MOST_DIAGNOSTICS: usize = 5;

impl Arm<'_> {
    /// The resource that an extension such as `/providers/Microsoft.Insights/metrics` is of.
    fn extended(&self) -> Option<String> {
        let at = self.keys.iter().rposition(|key| key == "providers")?;
        Some(format!("/{}", self.segments.get(..at)?.join("/")))
    }

    /// An endpoint or a deployment by its ARM id.
    fn measurable<'a>(&self, id: &'a str) -> Result<Scope<'a>, Refusal> {
        let parts: Vec<&str> = id.split('/').skip(9).collect();
        let scope = match parts.as_slice() {
            [kind, endpoint] if kind.eq_ignore_ascii_case("onlineEndpoints") => Scope { endpoint, deployment: None },
            [kind, endpoint, below, deployment]
                if kind.eq_ignore_ascii_case("onlineEndpoints") && below.eq_ignore_ascii_case("deployments") =>
            {
                Scope { endpoint, deployment: Some(deployment) }
            }
            _ => return Err(Refusal::bad(format!("Azure Monitor has no metrics of {id} in this emulator."))),
        };
        let there = self.routes.plane.online.look(&self.call.workspace, scope.endpoint, |endpoint| {
            scope.deployment.is_none_or(|name| endpoint.deployments.contains_key(&name.to_ascii_lowercase()))
        });
        if there == Some(true) { Ok(scope) } else { Err(self.not_found(id)) }
    }

    /// `GET metrics` and `GET metricDefinitions`.
    pub(super) fn metrics(&self, definitions: bool) -> Answer {
        let id = self.extended().unwrap_or_default();
        let what = if definitions { "metricDefinitions" } else { "metrics" };
        self.estate.authorize(&self.claims, &format!("Microsoft.Insights/{what}/read"), &id)?;
        if self.call.method != "GET" {
            return Ok(Reply::not_allowed());
        }
        let scope = self.measurable(&id)?;
        if definitions {
            return Ok(Reply::ok(json!({"value": METRICS.map(|metric| definition(&id, &scope, metric))})));
        }
        let now = self.estate.clock.now();
        let question =
            Question::read(&self.call.query, &scope, now).map_err(|error| Refusal::bad(error.to_string()))?;
        let seen_until = now.checked_sub(self.estate.manners.metrics_lag()).unwrap_or(now);
        let telemetry = &self.routes.plane.telemetry;
        let series = |metric: &str| {
            telemetry.measured(&self.call.workspace, |all| {
                question.series(metric, &scope, all.iter().filter(|request| request.at <= seen_until))
            })
        };
        let value = question.metrics.iter().map(|name| {
            let (unit, label) =
                METRICS.iter().find(|known| known.0 == *name).map_or(("", *name), |known| (known.1, known.2));
            json!({
                "id": format!("{id}/providers/Microsoft.Insights/metrics/{name}"), "type": "Microsoft.Insights/metrics",
                "name": {"value": name, "localizedValue": label}, "displayDescription": label, "unit": unit,
                "timeseries": series(name), "errorCode": "Success",
            })
        });
        Ok(Reply::ok(json!({
            "cost": 0, "timespan": format!("{}/{}", question.from, question.to), "interval": question.interval_text,
            "namespace": namespace(&scope), "resourceregion": self.region(), "value": value.collect::<Vec<_>>(),
        })))
    }

    fn region(&self) -> Value {
        let world = self.estate.world();
        world.resource(&self.call.workspace).and_then(|known| known.get("location")).cloned().unwrap_or_default()
    }

    /// Diagnostic settings of a resource.
    pub(super) fn diagnostics(&self) -> Answer {
        if self.call.method == "PUT" {
            self.allowed()?;
            let id = self.extended().unwrap_or_default();
            self.check_diagnostics(&id)?;
        }
        self.generic().map(|mut reply| {
            // A setting that is made is told as one that is changed.
            if reply.status == 201 {
                reply.status = 200;
            }
            reply
        })
    }

    fn check_diagnostics(&self, of: &str) -> Result<(), Refusal> {
        let lower = of.to_ascii_lowercase();
        let categories = if lower.contains("/onlineendpoints/") {
            self.measurable(of)?;
            OF_ENDPOINTS
        } else {
            self.estate.world().resource(of).ok_or_else(|| self.not_found(of))?;
            OF_WORKSPACES
        };
        let properties = self.call.body.get("properties").cloned().unwrap_or_default();
        let given = |field: &str| properties.get(field).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        if !SINKS.into_iter().any(given) {
            return Err(Refusal::bad("At least one data sink needs to be specified."));
        }
        for log in properties.get("logs").and_then(Value::as_array).into_iter().flatten() {
            let Some(category) = log.get("category").and_then(Value::as_str) else { continue };
            if !categories.contains(&category) {
                return Err(Refusal::bad(format!("Category '{category}' is not supported.")));
            }
        }
        for metric in properties.get("metrics").and_then(Value::as_array).into_iter().flatten() {
            let category = metric.get("category").and_then(Value::as_str).unwrap_or("AllMetrics");
            if category != "AllMetrics" {
                return Err(Refusal::bad(format!("Metric category '{category}' is not supported.")));
            }
        }
        let world = self.estate.world();
        let known = world.members(&format!("{of}/providers/Microsoft.Insights/diagnosticSettings"));
        if known.len() >= MOST_DIAGNOSTICS && world.resource(&self.id()).is_none() {
            return Err(Refusal::conflict(format!(
                "The resource has {MOST_DIAGNOSTICS} diagnostic settings: it can't have more."
            )));
        }
        Ok(())
    }

    /// Autoscale settings of a resource group.
    pub(super) fn autoscale(&self) -> Answer {
        if self.call.method == "PUT" {
            self.allowed()?;
            self.check_autoscale()?;
        }
        self.generic()
    }

    fn check_autoscale(&self) -> Result<(), Refusal> {
        if self.call.body.get("location").and_then(Value::as_str).is_none_or(str::is_empty) {
            let message = "The location property is required for this definition.".to_owned();
            return Err(Refusal { status: 400, code: "LocationRequired", message });
        }
        let properties = self.call.body.get("properties").cloned().unwrap_or_default();
        let target = properties.get("targetResourceUri").and_then(Value::as_str).unwrap_or_default();
        let workspace = target.split('/').take(9).collect::<Vec<_>>().join("/").to_ascii_lowercase();
        let parts: Vec<&str> = target.split('/').skip(9).collect();
        let there = match parts.as_slice() {
            [_, endpoint, _, deployment] => self.routes.plane.online.look(&workspace, endpoint, |endpoint| {
                endpoint.deployments.contains_key(&deployment.to_ascii_lowercase())
            }),
            _ => None,
        };
        if there != Some(true) {
            return Err(Refusal::bad(format!(
                "The targetResourceUri '{target}' is no deployment of an online endpoint that is there."
            )));
        }
        let profiles = properties.get("profiles").and_then(Value::as_array).cloned().unwrap_or_default();
        if profiles.is_empty() || profiles.len() > 20 {
            return Err(Refusal::bad(format!("There are {} profiles: there have to be 1 to 20.", profiles.len())));
        }
        profiles.iter().try_for_each(check_profile)?;
        let group = self.segments.get(..4).unwrap_or_default().join("/");
        let world = self.estate.world();
        let others = world.members(&format!("/{group}/providers/Microsoft.Insights/autoscaleSettings"));
        let of_target = |other: &&&Value| {
            let known = other.pointer("/properties/targetResourceUri").and_then(Value::as_str).unwrap_or_default();
            let id = other.get("id").and_then(Value::as_str).unwrap_or_default();
            known.eq_ignore_ascii_case(target) && !id.eq_ignore_ascii_case(&self.id())
        };
        match others.iter().find(of_target) {
            None => Ok(()),
            Some(other) => Err(Refusal::conflict(format!(
                "The resource {target} has an autoscale setting already: {}.",
                other.get("name").and_then(Value::as_str).unwrap_or_default()
            ))),
        }
    }
}

/// Capacities are numbers written as texts.
fn check_profile(profile: &Value) -> Result<(), Refusal> {
    let name = profile.get("name").and_then(Value::as_str).unwrap_or_default();
    let number = |field: &str| {
        let value = profile.pointer(&format!("/capacity/{field}"))?;
        value.as_str().and_then(|text| text.parse::<i64>().ok()).or_else(|| value.as_i64())
    };
    match (number("minimum"), number("maximum"), number("default")) {
        (Some(least), Some(most), Some(usual)) if 0 <= least && least <= usual && usual <= most => {}
        _ => {
            return Err(Refusal::bad(format!(
                "The capacity of the profile '{name}' is no minimum, default and maximum in this order."
            )));
        }
    }
    let rules = profile.get("rules").and_then(Value::as_array).map_or(0, Vec::len);
    if rules > 10 {
        return Err(Refusal::bad(format!("The profile '{name}' has {rules} rules: it can have 10 at most.")));
    }
    Ok(())
}

fn namespace(scope: &Scope<'_>) -> &'static str {
    match scope.deployment {
        None => "Microsoft.MachineLearningServices/workspaces/onlineEndpoints",
        Some(_) => "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
    }
}

fn definition(id: &str, scope: &Scope<'_>, (name, unit, label): (&str, &str, &str)) -> Value {
    let dimensions = scope.dimensions(name).iter().map(|name| json!({"value": name, "localizedValue": name}));
    json!({
        "id": format!("{id}/providers/Microsoft.Insights/metricDefinitions/{name}"), "resourceId": id,
        "namespace": namespace(scope), "name": {"value": name, "localizedValue": label}, "unit": unit,
        "primaryAggregationType": "Average",
        "supportedAggregationTypes": ["Average", "Minimum", "Maximum", "Total", "Count"],
        "metricAvailabilities": [{"timeGrain": "PT1M", "retention": "P93D"}], "isDimensionRequired": false,
        "dimensions": dimensions.collect::<Vec<_>>(),
    })
}
