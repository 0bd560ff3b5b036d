//! What Application Insights and Log Analytics hold: rows of requests and of what containers said.

pub(crate) mod kql;
pub(crate) mod metrics;

use jiff::Timestamp;
use kql::{KqlError, Row, Rows};
use metrics::Measured;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Rows kept a table: the oldest go first.
const KEPT: usize = 20_000;

/// A request that a deployment answered.
#[derive(Debug, Clone)]
pub(crate) struct RequestSeen {
    pub(crate) at: Timestamp,
    pub(crate) id: String,
    pub(crate) endpoint: String,
    pub(crate) deployment: String,
    pub(crate) url: String,
    pub(crate) status: u16,
    pub(crate) milliseconds: f64,
}

/// A line that a deployment's container wrote.
#[derive(Debug, Clone)]
pub(crate) struct LineSeen {
    pub(crate) at: Timestamp,
    pub(crate) endpoint: String,
    pub(crate) deployment: String,
    pub(crate) request: Option<String>,
    pub(crate) message: String,
}

#[derive(Debug, Default)]
struct Workspace {
    requests: VecDeque<RequestSeen>,
    lines: VecDeque<LineSeen>,
    measured: VecDeque<Measured>,
}

/// All rows, by workspace.
#[derive(Debug, Default)]
pub(crate) struct Telemetry(Mutex<HashMap<String, Workspace>>);

/// Table names, with the columns of each in order.
const REQUESTS: [&str; 11] = [
    "timestamp",
    "id",
    "name",
    "url",
    "success",
    "resultCode",
    "duration",
    "operation_Id",
    "cloud_RoleName",
    "customDimensions",
    "itemType",
];
const TRACES: [&str; 7] =
    ["timestamp", "message", "severityLevel", "operation_Id", "cloud_RoleName", "customDimensions", "itemType"];
const APP_REQUESTS: [&str; 10] = [
    "TimeGenerated",
    "Id",
    "Name",
    "Url",
    "Success",
    "ResultCode",
    "DurationMs",
    "OperationId",
    "AppRoleName",
    "Properties",
];
const APP_TRACES: [&str; 6] = ["TimeGenerated", "Message", "SeverityLevel", "OperationId", "AppRoleName", "Properties"];
const CONSOLE: [&str; 6] =
    ["TimeGenerated", "OperationName", "InstanceId", "DeploymentName", "ContainerName", "Message"];

impl Telemetry {
    /// Keeps a request.
    pub(crate) fn request(&self, workspace: &str, seen: RequestSeen) {
        self.with(workspace, |rows| push(&mut rows.requests, seen));
    }

    /// Keeps what Azure Monitor measures of a request.
    pub(crate) fn measure(&self, workspace: &str, measured: Measured) {
        self.with(workspace, |rows| push(&mut rows.measured, measured));
    }

    /// Works on what was measured.
    pub(crate) fn measured<T>(&self, workspace: &str, work: impl FnOnce(&VecDeque<Measured>) -> T) -> T {
        self.with(workspace, |rows| work(&rows.measured))
    }

    /// Keeps a line.
    pub(crate) fn line(&self, workspace: &str, seen: LineSeen) {
        self.with(workspace, |rows| push(&mut rows.lines, seen));
    }

    fn with<T>(&self, workspace: &str, work: impl FnOnce(&mut Workspace) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(all.entry(workspace.to_owned()).or_default())
    }

    /// Answers a query over a workspace's tables; `since` is the start of its timespan.
    pub(crate) fn query(
        &self,
        workspace: &str,
        query: &str,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Value, KqlError> {
        let rows = kql::answer(query, now, |name| self.table(workspace, name, since))?;
        let columns: Vec<Value> =
            rows.columns.iter().map(|name| json!({"name": name, "type": column_type(&rows, name)})).collect();
        let cells = |row: &Row| -> Value { rows.columns.iter().map(|name| cell(row.get(name))).collect() };
        let table: Vec<Value> = rows.rows.iter().map(cells).collect();
        Ok(json!({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": table}]}))
    }

    fn table(&self, workspace: &str, name: &str, since: Option<Timestamp>) -> Option<Rows> {
        let late = |at: Timestamp| since.is_none_or(|since| at >= since);
        let shape = |columns: &[&str], rows: Vec<Value>| Rows {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows: rows.into_iter().filter_map(|row| row.as_object().cloned()).collect(),
        };
        self.with(workspace, |all| {
            let requests = all.requests.iter().filter(|seen| late(seen.at));
            let lines = all.lines.iter().filter(|seen| late(seen.at));
            Some(match name {
                "requests" => shape(&REQUESTS, requests.map(request_row).collect()),
                "AppRequests" => shape(&APP_REQUESTS, requests.map(app_request_row).collect()),
                "traces" => shape(&TRACES, lines.map(trace_row).collect()),
                "AppTraces" => shape(&APP_TRACES, lines.map(app_trace_row).collect()),
                "AmlOnlineEndpointConsoleLog" => shape(&CONSOLE, lines.map(console_row).collect()),
                _ => return None,
            })
        })
    }
}

fn push<T>(rows: &mut VecDeque<T>, row: T) {
    if rows.len() >= KEPT {
        rows.pop_front();
    }
    rows.push_back(row);
}

fn request_row(seen: &RequestSeen) -> Value {
    json!({
        "timestamp": seen.at.to_string(), "id": seen.id, "name": "POST /score", "url": seen.url,
        "success": if seen.status < 400 { "True" } else { "False" }, "resultCode": seen.status.to_string(),
        "duration": seen.milliseconds, "operation_Id": seen.id, "cloud_RoleName": seen.deployment,
        "customDimensions": dimensions(&seen.endpoint, &seen.deployment, Some(&seen.id)), "itemType": "request",
    })
}

fn app_request_row(seen: &RequestSeen) -> Value {
    json!({
        "TimeGenerated": seen.at.to_string(), "Id": seen.id, "Name": "POST /score", "Url": seen.url,
        "Success": seen.status < 400, "ResultCode": seen.status.to_string(), "DurationMs": seen.milliseconds,
        "OperationId": seen.id, "AppRoleName": seen.deployment,
        "Properties": dimensions(&seen.endpoint, &seen.deployment, Some(&seen.id)),
    })
}

fn trace_row(seen: &LineSeen) -> Value {
    json!({
        "timestamp": seen.at.to_string(), "message": seen.message, "severityLevel": 1, "operation_Id": seen.request,
        "cloud_RoleName": seen.deployment,
        "customDimensions": dimensions(&seen.endpoint, &seen.deployment, seen.request.as_deref()), "itemType": "trace",
    })
}

fn app_trace_row(seen: &LineSeen) -> Value {
    json!({
        "TimeGenerated": seen.at.to_string(), "Message": seen.message, "SeverityLevel": 1, "OperationId": seen.request,
        "AppRoleName": seen.deployment,
        "Properties": dimensions(&seen.endpoint, &seen.deployment, seen.request.as_deref()),
    })
}

fn console_row(seen: &LineSeen) -> Value {
    json!({
        "TimeGenerated": seen.at.to_string(), "OperationName": "ConsoleLog", "InstanceId": format!("{}-0", seen.deployment),
        "DeploymentName": seen.deployment, "ContainerName": "inference-server", "Message": seen.message,
    })
}

fn dimensions(endpoint: &str, deployment: &str, request: Option<&str>) -> Value {
    json!({"Service Name": endpoint, "Deployment Name": deployment, "Request Id": request})
}

/// A cell: a bag of dimensions goes over the wire as text.
fn cell(value: Option<&Value>) -> Value {
    match value {
        None => Value::Null,
        Some(bag @ (Value::Object(_) | Value::Array(_))) => Value::from(bag.to_string()),
        Some(value) => value.clone(),
    }
}

fn column_type(rows: &Rows, name: &str) -> &'static str {
    match rows.rows.iter().filter_map(|row| row.get(name)).find(|value| !value.is_null()) {
        _ if matches!(name, "timestamp" | "TimeGenerated") => "datetime",
        Some(Value::Bool(_)) => "bool",
        Some(Value::Number(number)) if number.is_f64() => "real",
        Some(Value::Number(_)) => "long",
        Some(Value::Object(_) | Value::Array(_)) => "dynamic",
        _ => "string",
    }
}
