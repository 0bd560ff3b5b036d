//! Workspaces with what is in them: assets, jobs with their trials, endpoints with their traffic.

use super::html::{Html, escaped, mono, row, state, table};
use crate::online::endpoint::{Deployment, Endpoint};
use crate::run_history::run::{Run, RunKind};
use crate::server::App;
use serde_json::Value;
use std::collections::BTreeMap;

/// Jobs of a workspace that the page shows; the newest.
const NEWEST_JOBS: usize = 50;

/// How much there is, for the top of the page.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) workspaces: usize,
    pub(super) assets: usize,
    pub(super) jobs: usize,
    pub(super) jobs_under_way: usize,
    pub(super) endpoints: usize,
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A workspace's resources by their collection: `data`, `computes`.
type Collections = BTreeMap<String, Vec<(String, Value)>>;

/// All of them.
pub(super) fn sections(app: &App, counts: &mut Counts) -> String {
    let world = app.estate.world();
    let all: Vec<(String, Value, Collections)> = world
        .workspaces()
        .map(|(key, body)| {
            let mut collections = Collections::new();
            for (id, resource) in world.below(&format!("{key}/")) {
                let path = id.get(key.len() + 1..).unwrap_or_default();
                if let Some((collection, name)) = path.split_once('/') {
                    collections
                        .entry(collection.to_owned())
                        .or_default()
                        .push((name.to_owned(), resource.body.clone()));
                }
            }
            (key.to_owned(), body.clone(), collections)
        })
        .collect();
    drop(world);
    counts.workspaces = all.len();
    all.iter().map(|(key, body, collections)| section(app, key, body, collections, counts)).collect()
}

fn section(app: &App, key: &str, body: &Value, collections: &Collections, counts: &mut Counts) -> String {
    let assets = assets(collections, counts);
    let others = others(collections);
    let (jobs, endpoints) = (jobs(app, key, counts), endpoints(app, key, counts));
    let account = text(body, "/properties/storageAccount").rsplit('/').next().unwrap_or_default();
    format!(
        "<details class=\"work\" id=\"{}\" open><summary>{} {} <span class=\"id\">{}, storage account {}, {}</span></summary>\
         {assets}{others}{jobs}{endpoints}</details>",
        escaped(key),
        escaped(text(body, "/name")),
        state(text(body, "/properties/provisioningState")).0,
        escaped(text(body, "/location")),
        escaped(account),
        escaped(text(body, "/id")),
    )
}

fn part(title: &str, heads: &[&str], rows: &str) -> String {
    if rows.is_empty() {
        return String::new();
    }
    format!("<h3>{}</h3>{}", escaped(title), table(heads, rows))
}

/// Versions of data, models, environments, components and codes.
fn assets(collections: &Collections, counts: &mut Counts) -> String {
    let titles = [
        ("data", "Data"),
        ("models", "Models"),
        ("environments", "Environments"),
        ("components", "Components"),
        ("codes", "Code"),
    ];
    let mut shown = String::new();
    for (collection, title) in titles {
        let known = collections.get(collection).into_iter().flatten();
        let versions: Vec<_> = known.filter_map(|(path, body)| Some((path.split_once("/versions/")?, body))).collect();
        counts.assets += versions.len();
        let rows = versions.into_iter().map(|((name, version), body)| {
            let kind = ["/properties/dataType", "/properties/modelType"].map(|pointer| text(body, pointer)).concat();
            let from = ["/properties/dataUri", "/properties/modelUri", "/properties/codeUri", "/properties/image"];
            let archived = body.pointer("/properties/isArchived").and_then(Value::as_bool).unwrap_or(false);
            let kind = if archived { format!("{kind}, archived") } else { kind };
            let tags = tags(body.pointer("/properties/tags"));
            row([
                name.into(),
                version.into(),
                kind.into(),
                mono(&from.map(|pointer| text(body, pointer)).concat()),
                tags.into(),
            ])
        });
        shown += &part(title, &["Name", "Version", "Type", "From", "Tags"], &rows.collect::<String>());
    }
    shown
}

fn tags(tags: Option<&Value>) -> String {
    let pairs = tags.and_then(Value::as_object).into_iter().flatten();
    pairs.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect::<Vec<_>>().join(", ")
}

/// Computes, datastores and schedules.
fn others(collections: &Collections) -> String {
    let of =
        |collection: &str| collections.get(collection).into_iter().flatten().filter(|(name, _)| !name.contains('/'));
    let computes: String = of("computes")
        .map(|(name, body)| {
            let scale = "/properties/properties/scaleSettings";
            let number = |field: &str| body.pointer(&format!("{scale}/{field}")).and_then(Value::as_i64).unwrap_or(0);
            let nodes = format!("{} to {} nodes", number("minNodeCount"), number("maxNodeCount"));
            let size = text(body, "/properties/properties/vmSize");
            row([name.as_str().into(), state(text(body, "/properties/provisioningState")), size.into(), nodes.into()])
        })
        .collect();
    let stores: String = of("datastores")
        .map(|(name, body)| {
            let [account, container] =
                ["accountName", "containerName"].map(|name| text(body, &format!("/properties/{name}")));
            row([name.as_str().into(), account.into(), container.into()])
        })
        .collect();
    let schedules: String = of("schedules")
        .map(|(name, body)| {
            let enabled = body.pointer("/properties/isEnabled").and_then(Value::as_bool).unwrap_or(false);
            let trigger = body.pointer("/properties/trigger").map(Value::to_string).unwrap_or_default();
            row([name.as_str().into(), if enabled { "enabled" } else { "disabled" }.into(), mono(&trigger)])
        })
        .collect();
    part("Computes", &["Name", "State", "Size", "Scale"], &computes)
        + &part("Datastores", &["Name", "Account", "Container"], &stores)
        + &part("Schedules", &["Name", "", "Trigger"], &schedules)
}

fn jobs(app: &App, key: &str, counts: &mut Counts) -> String {
    let runs = app.routes.plane.jobs.runs();
    let all = runs.find(key, |run| run.job.is_some() && run.parent.is_none());
    counts.jobs += all.len();
    counts.jobs_under_way += all.iter().filter(|run| !run.status.is_terminal()).count();
    let rows: String = all
        .iter()
        .take(NEWEST_JOBS)
        .map(|run| {
            let mut below = Vec::new();
            descend(app, key, &run.id, &mut below);
            let error =
                run.error.as_ref().map(|error| format!("{}: {}", error.code, error.message)).unwrap_or_default();
            let detail = Html(escaped(&error) + &trials(&run.id, &below));
            let kind = format!("{:?}", run.kind);
            let created = format!("{:.0}", run.created);
            row([
                run.id.as_str().into(),
                state(run.status.name()),
                kind.into(),
                run.experiment.as_str().into(),
                created.into(),
                detail,
            ])
        })
        .collect();
    part("Jobs, newest first", &["Name", "State", "Type", "Experiment", "Created", "Steps and trials"], &rows)
}

fn descend(app: &App, key: &str, id: &str, all: &mut Vec<Run>) {
    for child in app.routes.plane.jobs.runs().children(key, id) {
        let id = child.id.clone();
        all.push(child);
        descend(app, key, &id, all);
    }
}

/// What ran below a job: its steps, and the trials of AutoML with their primary metric.
fn trials(job: &str, below: &[Run]) -> String {
    if below.is_empty() {
        return String::new();
    }
    let metric = below.iter().find_map(|run| run.properties.get("primary_metric"));
    let rows: String = below
        .iter()
        .map(|run| {
            let what = match run.kind {
                RunKind::Trial => run.properties.get("run_algorithm").cloned().unwrap_or_default(),
                _ => format!("{:?}", run.kind),
            };
            let score = metric.and_then(|metric| run.metrics.get(metric)).map(|score| format!("{score:.5}"));
            let name = run.display_name.as_deref().unwrap_or(&run.id);
            row([name.into(), what.into(), state(run.status.name()), score.unwrap_or_default().into()])
        })
        .collect();
    let count = below.iter().filter(|run| run.kind == RunKind::Trial).count();
    let title = if count > 0 { format!("{count} trials") } else { format!("{} steps", below.len()) };
    let heads = ["Name", "What", "State", metric.map_or("", String::as_str)];
    format!("<details id=\"trials-{}\"><summary>{title}</summary>{}</details>", escaped(job), table(&heads, &rows))
}

fn endpoints(app: &App, key: &str, counts: &mut Counts) -> String {
    let all = app.routes.plane.online.list(key);
    counts.endpoints += all.len();
    let rows: String = all
        .iter()
        .map(|endpoint| {
            let deployments: String =
                endpoint.deployments.values().map(|deployment| self::deployment(endpoint, deployment)).collect();
            let heads = ["Deployment", "State", "Traffic", "Mirrored", "Model"];
            row([
                endpoint.name.as_str().into(),
                state(endpoint.state),
                endpoint.auth_mode().into(),
                Html(bar(endpoint) + &table(&heads, &deployments)),
            ])
        })
        .collect();
    part("Online endpoints", &["Name", "State", "Auth", "Traffic and deployments"], &rows)
}

/// Shares of traffic as a bar.
fn bar(endpoint: &Endpoint) -> String {
    let part = |(name, share): (&String, _)| format!("<i style=\"width:{share}%\" title=\"{}\"></i>", escaped(name));
    format!("<div class=\"bar\">{}</div>", endpoint.traffic.iter().map(part).collect::<String>())
}

fn deployment(endpoint: &Endpoint, deployment: &Deployment) -> String {
    let share = |shares: &crate::online::traffic::Shares| {
        let found = shares.iter().find(|(name, _)| name.eq_ignore_ascii_case(&deployment.name));
        found.map(|(_, share)| format!("{share} %")).unwrap_or_default()
    };
    let model = deployment.properties.get("model").and_then(Value::as_str).unwrap_or_default();
    // The model's name and version say enough.
    let model = model.rsplit_once("/models/").map_or(model, |(_, rest)| rest).replace("/versions/", " version ");
    row([
        deployment.name.as_str().into(),
        state(deployment.state),
        share(&endpoint.traffic).into(),
        share(&endpoint.mirror).into(),
        model.into(),
    ])
}
