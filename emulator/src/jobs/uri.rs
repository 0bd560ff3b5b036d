//! `azureml://` addresses and asset ids in all their forms.

use super::ground::{Asset, Ground};
use crate::run_history::run::Location;
use crate::run_history::store::Runs;

/// Why an address leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UriError {
    #[error("{uri} is not an address of data: write azureml://..., an asset's id, or the address of a blob")]
    Form { uri: String },
    #[error("{uri} names the {what} {name}, which is not there")]
    Missing { uri: String, what: &'static str, name: String },
}

/// Where an address leads, and what lies there, if an asset says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) place: Location,
    /// An asset's type, such as `mltable`.
    pub(crate) kind: Option<String>,
}

/// Follows an address from a workspace. Known are data, model and code ids (`azureml:n:v`, ARM ids,
/// `azureml://locations/...`, `azureml://registries/...`), datastore paths (short and long), outputs of jobs, `runs:/`,
/// and blob addresses.
pub(crate) fn resolve(ground: &dyn Ground, runs: &Runs, workspace: &str, uri: &str) -> Result<Resolved, UriError> {
    let lower = uri.to_ascii_lowercase();
    if lower.starts_with("https://") || lower.starts_with("wasbs://") || lower.starts_with("abfss://") {
        return blob(ground, uri);
    }
    if let Some(rest) = uri.strip_prefix("runs:/") {
        let (run, path) = rest.trim_start_matches('/').split_once('/').unwrap_or((rest, ""));
        return artifact(runs, workspace, uri, run, path);
    }
    let rest = uri.strip_prefix("azureml://").or_else(|| uri.strip_prefix("azureml:")).unwrap_or(uri);
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let keys: Vec<String> = parts.iter().map(|part| part.to_ascii_lowercase()).collect();
    match keys.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["jobs", _, "outputs", ..] => job_output(runs, workspace, uri, &parts),
        ["datastores", _, "paths", ..] => datastore(ground, workspace, uri, &parts),
        ["subscriptions", _, "resourcegroups", _, "workspaces", _, "datastores", _, "paths", ..] => {
            let arm = format!(
                "/subscriptions/{}/resourcegroups/{}/providers/microsoft.machinelearningservices/workspaces/{}",
                keys.get(1).map_or("", String::as_str),
                keys.get(3).map_or("", String::as_str),
                keys.get(5).map_or("", String::as_str),
            );
            datastore(ground, &arm, uri, parts.get(6..).unwrap_or_default())
        }
        [
            "subscriptions",
            _,
            "resourcegroups",
            _,
            "providers",
            _,
            "workspaces",
            _,
            kind @ ("data" | "models" | "codes"),
            _,
            "versions",
            _,
        ] => {
            let arm = format!("/{}", keys.get(..8).unwrap_or_default().join("/"));
            asset(ground, runs, &arm, uri, kind, parts.get(9).copied(), parts.get(11).copied())
        }
        ["locations", _, "workspaces", guid, kind @ ("data" | "models" | "codes"), _, "versions", _] => {
            let arm = ground.workspace_of_guid(guid).unwrap_or_else(|| workspace.to_owned());
            asset(ground, runs, &arm, uri, kind, parts.get(5).copied(), parts.get(7).copied())
        }
        ["registries", _, kind @ ("data" | "models"), _, "versions", _] => {
            let name = parts.get(1).copied().unwrap_or_default();
            let registry = ground.registry(name).ok_or_else(|| missing(uri, "registry", name))?;
            asset(ground, runs, &registry, uri, kind, parts.get(3).copied(), parts.get(5).copied())
        }
        [kind @ ("data" | "models" | "codes"), _, "versions", _] => {
            asset(ground, runs, workspace, uri, kind, parts.get(1).copied(), parts.get(3).copied())
        }
        [_] => named(ground, runs, workspace, uri, rest),
        _ => Err(UriError::Form { uri: uri.to_owned() }),
    }
}

fn missing(uri: &str, what: &'static str, name: &str) -> UriError {
    UriError::Missing { uri: uri.to_owned(), what, name: name.to_owned() }
}

fn blob(ground: &dyn Ground, uri: &str) -> Result<Resolved, UriError> {
    let place = ground.blob_url(uri).ok_or_else(|| missing(uri, "storage account", uri))?;
    Ok(Resolved { place, kind: None })
}

fn artifact(runs: &Runs, workspace: &str, uri: &str, run: &str, path: &str) -> Result<Resolved, UriError> {
    let run = runs.get(workspace, run).ok_or_else(|| missing(uri, "run", run))?;
    Ok(Resolved { place: run.artifacts.join(path), kind: None })
}

/// `jobs/{job}/outputs/artifacts/[paths/]{path}` or `jobs/{job}/outputs/{name}[/paths/{path}]`.
fn job_output(runs: &Runs, workspace: &str, uri: &str, parts: &[&str]) -> Result<Resolved, UriError> {
    let (job, output) = (parts.get(1).copied().unwrap_or_default(), parts.get(3).copied().unwrap_or_default());
    let rest = parts.get(4..).unwrap_or_default();
    let path = rest.strip_prefix(&["paths"]).unwrap_or(rest).join("/");
    let run = runs.get(workspace, job).ok_or_else(|| missing(uri, "job", job))?;
    let place = match run.outputs.get(output) {
        Some(place) => place.join(&path),
        None if output == "artifacts" || output == "default" => run.artifacts.join(&path),
        None => return Err(missing(uri, "output", output)),
    };
    Ok(Resolved { place, kind: None })
}

fn datastore(ground: &dyn Ground, workspace: &str, uri: &str, parts: &[&str]) -> Result<Resolved, UriError> {
    let name = parts.get(1).copied().unwrap_or_default();
    let store = ground.datastore(workspace, name).ok_or_else(|| missing(uri, "datastore", name))?;
    Ok(Resolved { place: store.join(&parts.get(3..).unwrap_or_default().join("/")), kind: None })
}

fn asset(
    ground: &dyn Ground,
    runs: &Runs,
    workspace: &str,
    uri: &str,
    kind: &str,
    name: Option<&str>,
    version: Option<&str>,
) -> Result<Resolved, UriError> {
    let (name, version) = (name.unwrap_or_default(), version.unwrap_or_default());
    let (what, found) = match kind {
        "data" => ("data version", ground.data(workspace, name, version)),
        "codes" => ("code version", ground.code(workspace, name, version)),
        _ => ("model version", ground.model(workspace, name, version)),
    };
    let found = found.ok_or_else(|| missing(uri, what, &format!("{name}:{version}")))?;
    follow(ground, runs, workspace, uri, found)
}

/// `name:version` or `name@latest`.
fn named(ground: &dyn Ground, runs: &Runs, workspace: &str, uri: &str, name: &str) -> Result<Resolved, UriError> {
    let (name, version) =
        name.split_once(':').or_else(|| name.split_once('@')).ok_or_else(|| UriError::Form { uri: uri.to_owned() })?;
    let found = ground.data(workspace, name, version).or_else(|| ground.model(workspace, name, version));
    let found = found.ok_or_else(|| missing(uri, "asset", &format!("{name}:{version}")))?;
    follow(ground, runs, workspace, uri, found)
}

fn follow(ground: &dyn Ground, runs: &Runs, workspace: &str, uri: &str, found: Asset) -> Result<Resolved, UriError> {
    // An asset's own address is never an asset again: this can't go round in circles.
    let place = match ["/workspaces/", "/registries/"]
        .iter()
        .any(|of| found.uri.contains(of) && found.uri.contains("/versions/"))
    {
        true => return Err(UriError::Form { uri: uri.to_owned() }),
        false => resolve(ground, runs, workspace, &found.uri)?.place,
    };
    Ok(Resolved { place, kind: Some(found.kind) })
}
