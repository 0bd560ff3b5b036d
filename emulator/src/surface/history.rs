//! Run history, MLflow, artifacts, and queries over telemetry.

use super::{Call, Plane, Reply};
use crate::automl::request::iso_duration;
use crate::online::rules::Refusal;
use crate::run_history::run::{Location, Run};
use crate::run_history::{mlflow, view};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

/// Where a run's logs lie among its artifacts.
const LOG_FOLDERS: [&str; 2] = ["user_logs", "logs"];

impl Plane {
    /// Answers `/history/v1.0{ws}/...`; the call's path is what follows the workspace.
    pub(crate) fn history(&self, call: &Call) -> Reply {
        let lower: Vec<String> = call.path.iter().map(|segment| segment.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        match (call.method.as_str(), lower.as_slice()) {
            ("GET", ["runs", _]) => self.shown_run(call, call.segment(1), view::run),
            ("GET", ["runs", _, "details"]) => {
                self.shown_run(call, call.segment(1), |run| view::details(run, &self.log_files(call, run)))
            }
            ("GET", ["runs", _, "children"]) => self.children(call, call.segment(1)),
            ("PATCH", ["runs", _]) => self.patch_run(call, call.segment(1)),
            ("GET", ["experiments", _, "runs", _]) => self.shown_run(call, call.segment(3), view::run),
            ("PATCH", ["experiments", _, "runs", _]) => self.patch_run(call, call.segment(3)),
            ("GET", ["experiments", _, "runs", _, "children"]) => self.children(call, call.segment(3)),
            ("GET", ["experiments", _, "runs", _, "artifacts", ..]) => {
                self.artifacts(call, call.segment(3), call.segment(5))
            }
            ("POST", ["rundata"]) => {
                let id = call.body.get("runId").and_then(Value::as_str).unwrap_or_default();
                match self.jobs.runs().get(&call.workspace, id) {
                    Some(run) => Reply::ok(json!({"runMetadata": view::run(&run), "runDefinition": run.job})),
                    None => missing(id),
                }
            }
            ("POST", ["experiments", experiment, "runs:query"]) => {
                let found =
                    self.jobs.runs().find(&call.workspace, |run| run.experiment.eq_ignore_ascii_case(experiment));
                Reply::ok(page(call, &found))
            }
            _ => Reply::not_allowed(),
        }
    }

    fn shown_run(&self, call: &Call, id: &str, show: impl Fn(&Run) -> Value) -> Reply {
        self.jobs.runs().get(&call.workspace, id).map_or_else(|| missing(id), |run| Reply::ok(show(&run)))
    }

    fn children(&self, call: &Call, id: &str) -> Reply {
        match self.jobs.runs().get(&call.workspace, id) {
            Some(_) => Reply::ok(page(call, &self.jobs.runs().children(&call.workspace, id))),
            None => missing(id),
        }
    }

    fn patch_run(&self, call: &Call, id: &str) -> Reply {
        let changed = self.jobs.runs().change(&call.workspace, id, |run| {
            let text = |key: &str| call.body.get(key).and_then(Value::as_str).map(str::to_owned);
            run.display_name = text("displayName").or_else(|| run.display_name.take());
            run.description = text("description").or_else(|| run.description.take());
            run.tags.extend(crate::jobs::submit::strings(call.body.get("tags")));
            if let Some(hidden) = call.body.get("hidden").and_then(Value::as_bool) {
                run.archived = hidden;
            }
            view::run(run)
        });
        changed.map_or_else(|| missing(id), Reply::ok)
    }

    /// The artifacts that are logs, with addresses by which they can be read for an hour.
    fn log_files(&self, call: &Call, run: &Run) -> Map<String, Value> {
        let names = LOG_FOLDERS.iter().flat_map(|folder| self.artifact_names(run, folder));
        names.map(|name| (name.clone(), Value::from(self.signed(call, &run.artifacts.join(&name))))).collect()
    }

    /// The address of a blob with a signature.
    fn signed(&self, call: &Call, place: &Location) -> String {
        let address = call.blob_address(&place.account, &format!("{}/{}", place.container, place.path));
        format!("{address}?{}", self.jobs.ground().signature(place))
    }

    /// `artifacts`, `artifacts/path`, `artifacts/contentinfo`, `artifacts/prefix/contentinfo`.
    fn artifacts(&self, call: &Call, id: &str, what: &str) -> Reply {
        let Some(run) = self.jobs.runs().get(&call.workspace, id) else { return missing(id) };
        let path = call.text("path").unwrap_or_default();
        let entry = |name: &str| {
            json!({
                "artifactId": format!("ExperimentRun/dcid.{id}/{name}"), "origin": "ExperimentRun",
                "container": format!("dcid.{id}"), "path": name,
                "contentUri": self.signed(call, &run.artifacts.join(name)),
            })
        };
        match what.to_ascii_lowercase().as_str() {
            "contentinfo" if self.jobs.ground().read(&run.artifacts.join(path)).is_none() => missing(path),
            "contentinfo" => Reply::ok(entry(path)),
            _ => {
                let names = self.artifact_names(&run, path);
                Reply::ok(json!({"value": names.iter().map(|name| entry(name)).collect::<Vec<_>>()}))
            }
        }
    }

    fn artifact_names(&self, run: &Run, below: &str) -> Vec<String> {
        let root = Location { path: format!("{}/", run.artifacts.path), ..run.artifacts.clone() };
        let below = below.trim_matches('/');
        let names = self.jobs.ground().list(&root).into_iter();
        let names = names.filter_map(|name| name.strip_prefix(&root.path).map(str::to_owned));
        names.filter(|name| below.is_empty() || name == below || name.starts_with(&format!("{below}/"))).collect()
    }

    /// Answers `/mlflow/v{1,2}.0{ws}/api/2.0/mlflow/...`; the call's path is what follows `mlflow`.
    pub(crate) fn mlflow(&self, call: &Call) -> Reply {
        let artifacts =
            format!("{}/artifact/v2.0{}", call.base.replacen("https://", "azureml://", 1), self.arm_id(call));
        let id = call.text("run_id").or_else(|| call.text("run_uuid")).unwrap_or_default();
        match (call.method.as_str(), call.segment(0), call.segment(1)) {
            ("GET", "runs", "get") => match self.jobs.runs().get(&call.workspace, id) {
                Some(run) => Reply::ok(json!({"run": mlflow::run(&run, &artifacts)})),
                None => unknown(&format!("Run with id={id} not found")),
            },
            ("POST", "runs", "search") => self.search(call, &artifacts),
            ("GET", "metrics", "get-history") => match self.jobs.runs().get(&call.workspace, id) {
                Some(run) => Reply::ok(mlflow::history(&run, call.text("metric_key").unwrap_or_default())),
                None => unknown(&format!("Run with id={id} not found")),
            },
            ("GET", "experiments", "get-by-name") => {
                let name = call.text("experiment_name").unwrap_or_default();
                match self.jobs.runs().find(&call.workspace, |run| run.experiment == name).is_empty() {
                    false => Reply::ok(mlflow::experiment(name, &artifacts)),
                    true => unknown(&format!("Could not find experiment with name '{name}'")),
                }
            }
            // What MLflow 3 calls logged models, AutoML has none of: its models are artifacts of runs.
            ("POST", "logged-models", "search") => Reply::ok(json!({"models": []})),
            ("GET", "artifacts", "list") => self.list_artifacts(call, id, &artifacts),
            _ => Reply::not_allowed(),
        }
    }

    fn search(&self, call: &Call, artifacts: &str) -> Reply {
        let texts = |key: &str| -> Vec<String> {
            let items = call.body.get(key).and_then(Value::as_array).into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let filter = call.body.get("filter").and_then(Value::as_str).unwrap_or_default();
        let search = match mlflow::Search::parse(filter, &texts("order_by")) {
            Ok(search) => search,
            Err(error) => return mlflow_error(400, "INVALID_PARAMETER_VALUE", &error.to_string()),
        };
        let view = call.body.get("run_view_type").and_then(Value::as_str).unwrap_or("ACTIVE_ONLY");
        let experiments = texts("experiment_ids");
        let mut found = self.jobs.runs().find(&call.workspace, |run| {
            (experiments.is_empty() || experiments.contains(&run.experiment_id()))
                && (view == "ALL" || run.archived == (view == "DELETED_ONLY"))
                && search.holds(run)
        });
        search.sort(&mut found);
        let skip =
            call.body.get("page_token").and_then(Value::as_str).and_then(|token| token.parse().ok()).unwrap_or(0_usize);
        let most = call.body.get("max_results").and_then(Value::as_u64).unwrap_or(1000) as usize;
        let runs: Vec<Value> = found.iter().skip(skip).take(most).map(|run| mlflow::run(run, artifacts)).collect();
        let mut body = json!({"runs": runs});
        if skip + most < found.len() {
            body["next_page_token"] = Value::from((skip + most).to_string());
        }
        Reply::ok(body)
    }

    fn list_artifacts(&self, call: &Call, id: &str, artifacts: &str) -> Reply {
        let Some(run) = self.jobs.runs().get(&call.workspace, id) else {
            return unknown(&format!("Run with id={id} not found"));
        };
        let below = call.text("path").unwrap_or_default().trim_matches('/').to_owned();
        let prefix = if below.is_empty() { String::new() } else { format!("{below}/") };
        let mut files: Vec<Value> = Vec::new();
        for name in self.artifact_names(&run, &below) {
            let Some(rest) = name.strip_prefix(&prefix) else { continue };
            let entry = match rest.split_once('/') {
                Some((folder, _)) => json!({"path": format!("{prefix}{folder}"), "is_dir": true}),
                None => {
                    let size = self.jobs.ground().read(&run.artifacts.join(&name)).map_or(0, |bytes| bytes.len());
                    json!({"path": name, "is_dir": false, "file_size": size})
                }
            };
            if !files.contains(&entry) {
                files.push(entry);
            }
        }
        let root = format!("{artifacts}/experiments/{}/runs/{id}/artifacts", run.experiment);
        Reply::ok(json!({"root_uri": root, "files": files}))
    }

    /// Answers a query over a workspace's Application Insights or Log Analytics tables.
    pub(crate) fn query(&self, workspace: &str, body: &Value) -> Reply {
        let now = self.jobs.ground().now();
        let query = body.get("query").and_then(Value::as_str).unwrap_or_default();
        let timespan = body.get("timespan").and_then(Value::as_str).and_then(|text| match text.split_once('/') {
            Some((from, _)) => from.parse().ok(),
            None => now.checked_sub(SignedDuration::try_from(iso_duration(text)?).ok()?).ok(),
        });
        match self.telemetry.query(workspace, query, timespan, now) {
            Ok(body) => Reply::ok(body),
            Err(error) => Reply {
                status: 400,
                body: json!({"error": {
                    "code": "BadArgumentError", "message": "The request had some invalid properties",
                    "innererror": {"code": "SemanticError", "message": error.to_string()},
                }}),
                begun: None,
            },
        }
    }
}

/// The discovery document: base addresses of the region's services.
pub(crate) fn discovery(base: &str) -> Value {
    let names = [
        "api",
        "catalog",
        "experimentation",
        "gallery",
        "history",
        "hyperdrive",
        "labeling",
        "modelmanagement",
        "pipelines",
    ];
    let mut document: serde_json::Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), Value::from(base))).collect();
    document.insert("studio".to_owned(), Value::from(format!("{base}/studio")));
    Value::Object(document)
}

/// A page of runs with its continuation.
fn page(call: &Call, runs: &[Run]) -> Value {
    let skip = call.text("continuationtoken").and_then(|token| token.parse().ok()).unwrap_or(0_usize);
    let most = call.body.get("top").and_then(Value::as_u64).unwrap_or(100).clamp(1, 500) as usize;
    let next = (skip + most < runs.len()).then(|| (skip + most).to_string());
    let link = next.as_ref().map(|next| {
        format!("{}/history/v1.0{}/{}?continuationToken={next}", call.base, call.workspace, call.path.join("/"))
    });
    json!({"value": runs.iter().skip(skip).take(most).map(view::run).collect::<Vec<_>>(), "continuationToken": next, "nextLink": link})
}

fn missing(id: &str) -> Reply {
    Reply::refused(&Refusal { status: 404, code: "UserError", message: format!("{id} was not found.") })
}

fn mlflow_error(status: u16, code: &str, message: &str) -> Reply {
    Reply { status, body: json!({"error_code": code, "message": message}), begun: None }
}

fn unknown(message: &str) -> Reply {
    mlflow_error(404, "RESOURCE_DOES_NOT_EXIST", message)
}
