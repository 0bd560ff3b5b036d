//! The address of a batch endpoint: who has a token for Azure ML's data plane starts the pipeline behind it.

use crate::jobs::JobOrders;
use crate::jobs::submit::{component as spec_of, strings};
use crate::jobs::view::Addresses;
use crate::online::rules::Refusal;
use crate::server::App;
use crate::surface::http::{Gate, Incoming, response};
use crate::surface::{Call, Reply};
use crate::world::World;
use axum::body::Body;
use axum::http::Response;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

type Answer = Result<(u16, Value), Refusal>;

/// Of an endpoint's jobs, its name.
const ENDPOINT: &str = "azureml.endpointname";
const DEPLOYMENT: &str = "azureml.deploymentname";

/// The endpoint that has a name in a region, with its workspace.
pub(crate) fn in_region<'a>(world: &'a World, location: &str, name: &str) -> Option<(&'a str, &'a Value)> {
    world.workspaces().find_map(|(workspace, _)| {
        let found = world.resource(&format!("{workspace}/batchEndpoints/{name}"))?;
        (found.get("location").and_then(Value::as_str) == Some(location)).then_some((workspace, found))
    })
}

/// The component version that a deployment's configuration names.
pub(crate) fn component(configuration: &Map<String, Value>) -> &str {
    configuration.get("componentId").and_then(|id| id.get("assetId").unwrap_or(id).as_str()).unwrap_or_default()
}

/// A request, with the endpoint that it is for.
struct Asked<'a> {
    app: &'a App,
    incoming: &'a Incoming,
    workspace: String,
    endpoint: Value,
    principal: String,
}

/// Answers below an endpoint's address: `jobs`, and `jobs/{name}`. `None` where no batch endpoint has it.
pub(crate) fn answer(app: &App, incoming: &Incoming, region: &str, name: &str, job: Option<&str>) -> Response<Body> {
    let found = {
        let world = app.estate.world();
        in_region(&world, region, name).map(|(workspace, endpoint)| (workspace.to_owned(), endpoint.clone()))
    };
    let answer = found.ok_or_else(|| Refusal::not_found("batch endpoint", name)).and_then(|(workspace, endpoint)| {
        let verb = if incoming.method == "POST" { "write" } else { "read" };
        let action = format!("Microsoft.MachineLearningServices/workspaces/batchEndpoints/jobs/{verb}");
        let principal = app.estate.admit(&incoming.headers, &workspace, &action)?;
        let asked = Asked { app, incoming, workspace, endpoint, principal };
        match (incoming.method.as_str(), job) {
            ("POST", None) => asked.invoke(),
            ("GET", None) => Ok(asked.list()),
            ("GET", Some(job)) => asked.job(job),
            _ => Err(Refusal {
                status: 405,
                code: "MethodNotAllowed",
                message: "The address takes GET and POST.".to_owned(),
            }),
        }
    });
    told(answer)
}

/// The jobs of an endpoint at the address by which azure-ai-ml lists them.
pub(crate) fn listed(app: &App, incoming: &Incoming, workspace: &str, name: &str) -> Response<Body> {
    let endpoint = app.estate.world().resource(&format!("{workspace}/batchEndpoints/{name}")).cloned();
    let action = "Microsoft.MachineLearningServices/workspaces/batchEndpoints/jobs/read";
    let answer = app.estate.admit(&incoming.headers, workspace, action).and_then(|principal| {
        let endpoint = endpoint.ok_or_else(|| Refusal::not_found("batch endpoint", name))?;
        Ok(Asked { app, incoming, workspace: workspace.to_owned(), endpoint, principal }.list())
    });
    told(answer)
}

fn told(answer: Answer) -> Response<Body> {
    match answer {
        Ok((status, body)) => response(status, &body),
        Err(refusal) => {
            let reply = Reply::refused(&refusal);
            response(reply.status, &reply.body)
        }
    }
}

impl Asked<'_> {
    fn invoke(&self) -> Answer {
        let body: Value = if self.incoming.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&self.incoming.body)
                .map_err(|error| Refusal::bad(format!("The body is not JSON: {error}")))?
        };
        let (deployment, configuration) = self.deployment()?;
        let jobs = &self.app.routes.plane.jobs;
        let component = component(&configuration);
        let spec =
            spec_of(jobs, &self.workspace, component).ok_or_else(|| Refusal::not_found("component", component))?;
        let given = field(&body, "properties").unwrap_or(&Value::Null);
        let inputs = inputs(&spec, field(given, "inputData"))?;
        let experiment = field(given, "properties").and_then(|own| field(own, "experimentName")?.as_str());
        let mut tags = strings(configuration.get("tags"));
        tags.insert("azureml.batchrun".to_owned(), "true".to_owned());
        tags.insert("azureml.jobtype".to_owned(), "azureml.pipelinejob".to_owned());
        let name = format!("batchjob-{}", uuid::Uuid::new_v4());
        let job = json!({
            "jobType": "Pipeline",
            "displayName": name,
            "description": configuration.get("description"),
            "experimentName": experiment.unwrap_or_else(|| self.name()),
            "componentId": component,
            "settings": settings(&configuration),
            "inputs": inputs,
            "outputs": outputs(&spec),
            "tags": tags,
            "properties": {ENDPOINT: self.name(), DEPLOYMENT: deployment},
        });
        let job = job.as_object().cloned().unwrap_or_default();
        let orders: JobOrders = self.incoming.orders.job.clone();
        let accepted = jobs
            .put(&self.workspace, &name, job, &self.principal, orders)
            .map_err(|error| Refusal::bad(error.to_string()))?;
        Ok((201, self.show(&accepted.run)))
    }

    fn name(&self) -> &str {
        self.endpoint.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// The deployment that the header names, or else the endpoint's default.
    fn deployment(&self) -> Result<(String, Map<String, Value>), Refusal> {
        let header = self.incoming.headers.get("azureml-model-deployment").and_then(|value| value.to_str().ok());
        let default = self.endpoint.pointer("/properties/defaults/deploymentName").and_then(Value::as_str);
        let name = header.or(default).filter(|name| !name.is_empty()).ok_or_else(|| Refusal {
            status: 404,
            code: "NotFound",
            message: format!("The endpoint {} has no default deployment.", self.name()),
        })?;
        let world = self.app.estate.world();
        let known = world.resource(&format!("{}/batchEndpoints/{}/deployments/{name}", self.workspace, self.name()));
        let known = known.ok_or_else(|| Refusal::not_found("deployment", name))?;
        let state = known.pointer("/properties/provisioningState").and_then(Value::as_str).unwrap_or_default();
        if !["Succeeded", "Updating"].contains(&state) {
            return Err(Refusal::conflict(format!("The deployment {name} is {state}.")));
        }
        let configuration = known.pointer("/properties/deploymentConfiguration").and_then(Value::as_object).cloned();
        Ok((name.to_owned(), configuration.unwrap_or_default()))
    }

    fn list(&self) -> (u16, Value) {
        let name = self.name().to_owned();
        let runs = self.app.routes.plane.jobs.runs().find(&self.workspace, |run| {
            run.job.is_some() && run.properties.get(ENDPOINT).is_some_and(|of| of.eq_ignore_ascii_case(&name))
        });
        let call = Call {
            workspace: self.workspace.clone(),
            query: crate::surface::http::pairs(&self.incoming.query),
            base: self.incoming.base.clone(),
            lists: self.app.estate.lists(),
            ..Call::default()
        };
        let shown = runs.iter().map(|run| self.show(run)).collect();
        (200, call.page_at(&self.incoming.path, shown, 100))
    }

    fn job(&self, name: &str) -> Answer {
        let run = self.app.routes.plane.jobs.runs().get(&self.workspace, name);
        let run = run.filter(|run| run.properties.get(ENDPOINT).is_some_and(|of| of.eq_ignore_ascii_case(self.name())));
        run.map(|run| (200, self.show(&run))).ok_or_else(|| Refusal::not_found("job", name))
    }

    fn show(&self, run: &crate::run_history::run::Run) -> Value {
        let jobs = &self.app.routes.plane.jobs;
        let arm_id =
            jobs.ground().workspace(&self.workspace).map_or_else(|| self.workspace.clone(), |facts| facts.arm_id);
        let base = &self.incoming.base;
        jobs.show(&arm_id, run, &Addresses { api: base.clone(), studio: format!("{base}/studio") })
    }
}

/// A field whatever its case: clients write it in both.
fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = value.as_object()?;
    fields.iter().find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_null()).map(|(_, value)| value)
}

/// The job's settings: of a map of texts, what is true or false is so.
fn settings(configuration: &Map<String, Value>) -> Map<String, Value> {
    let given = configuration.get("settings").and_then(Value::as_object).cloned().unwrap_or_default();
    let plain = |(name, value): (String, Value)| match value.as_str() {
        Some("true") => (name, Value::Bool(true)),
        Some("false") => (name, Value::Bool(false)),
        _ => (name, value),
    };
    given.into_iter().map(plain).collect()
}

/// A component's outputs as those of a job.
fn outputs(spec: &Map<String, Value>) -> Map<String, Value> {
    let declared = spec.get("outputs").and_then(Value::as_object).into_iter().flatten();
    declared.map(|(name, output)| (name.clone(), json!({"jobOutputType": output.get("type")}))).collect()
}

/// What the component takes, as it was given or by its default.
fn inputs(spec: &Map<String, Value>, given: Option<&Value>) -> Result<Map<String, Value>, Refusal> {
    let declared = spec.get("inputs").and_then(Value::as_object).cloned().unwrap_or_default();
    let given: BTreeMap<&String, &Value> = given.and_then(Value::as_object).into_iter().flatten().collect();
    if let Some(unknown) = given.keys().find(|name| !declared.contains_key(**name)) {
        let known = declared.keys().cloned().collect::<Vec<_>>().join(", ");
        return Err(Refusal::bad(format!("The pipeline has no input {unknown}. Its inputs: {known}.")));
    }
    let mut all = Map::new();
    for (name, declared) in &declared {
        let kind = declared.get("type").and_then(Value::as_str).unwrap_or_default();
        match given.get(name) {
            Some(value) => drop(all.insert(name.clone(), input(name, kind, value)?)),
            None => match declared.get("default") {
                Some(default) => {
                    let text = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
                    all.insert(name.clone(), json!({"jobInputType": "literal", "value": text}));
                }
                None if declared.get("optional") == Some(&Value::Bool(true)) => {}
                None => return Err(Refusal::bad(format!("The input {name} ({kind}) is missing."))),
            },
        }
    }
    Ok(all)
}

/// An input as it was given: a literal, a file or a folder. Tables are not taken ("Create jobs and input data for batch
/// endpoints", learn.microsoft.com: MLTable is not supported).
fn input(name: &str, kind: &str, value: &Value) -> Result<Value, Refusal> {
    let of = field(value, "jobInputType").and_then(Value::as_str).unwrap_or_default();
    let word = of.to_ascii_lowercase().replace('_', "");
    let is_data = ["uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"].contains(&kind);
    let text =
        |key: &str| field(value, key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    match word.as_str() {
        "mltable" => Err(Refusal::bad(format!("The input {name} is an MLTable, which batch endpoints don't take."))),
        "literal" if !is_data => match text("value") {
            Some(value) => Ok(json!({"jobInputType": "literal", "value": value})),
            None => Err(Refusal::bad(format!("The input {name} has no value."))),
        },
        "urifile" | "urifolder" if is_data => match text("uri") {
            Some(uri) => {
                Ok(json!({"jobInputType": if word == "urifile" { "uri_file" } else { "uri_folder" }, "uri": uri}))
            }
            None => Err(Refusal::bad(format!("The input {name} has no uri."))),
        },
        _ => Err(Refusal::bad(format!("The input {name} is a {kind}, and {of:?} is none."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_literals_files_and_folders() {
        let spec = json!({"inputs": {"trials": {"type": "string", "default": "8"}, "raw": {"type": "uri_folder"}}});
        let spec = spec.as_object().unwrap();
        let folder = json!({"JobInputType": "UriFolder", "Uri": "azureml://x"});
        let all = inputs(spec, Some(&json!({"raw": folder}))).unwrap();
        assert_eq!(all["trials"]["value"], "8");
        assert_eq!(all["raw"], json!({"jobInputType": "uri_folder", "uri": "azureml://x"}));
        for (given, word) in [
            (json!({}), "missing"),
            (json!({"raw": {"jobInputType": "MLTable", "uri": "x"}}), "MLTable"),
            (json!({"raw": folder, "other": folder}), "no input"),
            (json!({"raw": folder, "trials": folder}), "string"),
        ] {
            let refused = inputs(spec, Some(&given)).unwrap_err();
            assert!(refused.message.contains(word), "{}", refused.message);
        }
    }
}
