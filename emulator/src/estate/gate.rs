//! What is decided for the routes of jobs, runs, endpoints and logs.

use super::{Estate, audiences};
use crate::online::OperationEnd;
use crate::online::rules::Refusal;
use crate::online::scoring::Trouble;
use crate::operations;
use crate::surface::http::{Gate, Incoming, Passing};
use crate::surface::lists::Lists;
use axum::http::HeaderMap;
use serde_json::Value;
use std::sync::Arc;

impl Gate for Estate {
    fn admit(&self, headers: &HeaderMap, workspace: &str, action: &str) -> Result<String, Refusal> {
        let claims = self.authenticate(headers, audiences(action))?;
        self.authorize(&claims, action, workspace)?;
        Ok(claims.oid)
    }

    fn begin(&self, workspace: &str, operation: &str, incoming: &Incoming) {
        self.operations.begin(operation, self.clock.now());
        if let Ok(claims) = self.authenticate(&incoming.headers, audiences("")) {
            self.operations.is_of(operation, workspace, &claims.oid);
        }
    }

    fn end(&self, operation: &str, end: OperationEnd) {
        self.operations.end(operation, end, self.clock.now());
    }

    fn operation_path(&self, workspace: &str, operation: &str, result: bool) -> String {
        let world = self.world();
        let region = world.resource(workspace).and_then(|known| known.get("location")).and_then(Value::as_str);
        let subscription = workspace.split('/').nth(2).unwrap_or_default();
        operations::path(subscription, region.unwrap_or("global"), operation, result)
    }

    fn workspace_of_logs(&self, id: &str) -> Option<String> {
        let world = self.world();
        let found = world.workspaces().find(|(_, workspace)| {
            let component = workspace.pointer("/properties/applicationInsights").and_then(Value::as_str);
            let component = component.and_then(|component| world.resource(component));
            component.and_then(|component| component.get("properties")).is_some_and(|properties| {
                ["AppId", "logAnalyticsId"]
                    .iter()
                    .filter_map(|name| properties.get(*name)?.as_str())
                    .any(|known| known.eq_ignore_ascii_case(id))
            })
        });
        found.map(|(id, _)| id.to_owned())
    }

    fn pass(&self, method: &str, path: &str) -> Passing {
        let takes = self.manners.duration(method, path);
        if takes.is_zero() {
            return Box::pin(std::future::ready(()));
        }
        let (clock, now) = (Arc::clone(&self.clock), self.clock.now());
        let at = now.checked_add(takes).unwrap_or(now);
        Box::pin(async move { clock.until(at).await })
    }

    fn lists(&self) -> Lists {
        let lag = self.manners.list_lag();
        let seen_until = if lag.is_zero() { None } else { self.clock.now().checked_sub(lag).ok() };
        Lists { page_size: self.manners.page_size(), seen_until }
    }

    fn retry_after(&self) -> u64 {
        self.manners.retry_after()
    }

    fn trouble(&self, endpoint: &str, deployment: &str) -> Trouble {
        self.faults.trouble(&format!("/onlineEndpoints/{endpoint}/deployments/{deployment}"))
    }
}
