//! What is decided for the routes of jobs, runs, endpoints and logs.

use super::{Estate, audiences};
use crate::arm::workspaces::logs_of;
use crate::entra;
use crate::online::OperationEnd;
use crate::online::rules::Refusal;
use crate::online::scoring::Trouble;
use crate::operations::{self, Cause};
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
        let cause = if self.keep.is_on() { self.cause(incoming) } else { None };
        self.operations.begin(operation, cause, self.clock.now());
        if let Some(interrupted) = &incoming.orders.resumes {
            self.operations.go_on(&interrupted.operation, operation);
        }
        if let Ok(claims) = self.authenticate(&incoming.headers, audiences("")) {
            self.operations.is_of(operation, workspace, &claims.oid);
        }
        if incoming.method == "PATCH" {
            self.operations.changes(operation, &incoming.path);
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
            let Some((component, known)) = component.and_then(|id| Some((id, world.resource(id)?))) else {
                return false;
            };
            let app = known.pointer("/properties/AppId").and_then(Value::as_str);
            app.is_some_and(|app| app.eq_ignore_ascii_case(id))
                || logs_of(component).to_string().eq_ignore_ascii_case(id)
        });
        found.map(|(id, _)| id.to_owned())
    }

    fn pass(&self, incoming: &Incoming) -> Passing {
        let (clock, ends) = (Arc::clone(&self.clock), self.ends(incoming));
        if ends <= clock.now() {
            return Box::pin(std::future::ready(()));
        }
        Box::pin(async move { clock.until(ends).await })
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

impl Estate {
    /// When the operation that a request begins ends, on the emulator's clock.
    fn ends(&self, incoming: &Incoming) -> jiff::Timestamp {
        if let Some(interrupted) = &incoming.orders.resumes {
            return interrupted.ends;
        }
        let now = self.clock.now();
        now.checked_add(self.manners.duration(&incoming.method, &incoming.path)).unwrap_or(now)
    }

    /// The request as it can be sent again; `None` when nobody is known to have sent it.
    fn cause(&self, incoming: &Incoming) -> Option<Cause> {
        let bearer = incoming.headers.get("authorization").and_then(|value| value.to_str().ok());
        let (_, token) = bearer?.split_once(' ')?;
        let now = jiff::Timestamp::now();
        Some(Cause {
            method: incoming.method.clone(),
            path: incoming.path.clone(),
            query: incoming.query.clone(),
            body: String::from_utf8_lossy(&incoming.body).into_owned(),
            base: incoming.base.clone(),
            // It was checked when the request was admitted.
            claims: serde_json::from_value(entra::payload(token.trim())?).ok()?,
            due: jiff::SignedDuration::try_from(incoming.orders.takes)
                .ok()
                .and_then(|takes| now.checked_add(takes).ok())?,
            ends: self.ends(incoming),
            fate: incoming.orders.fate.clone(),
        })
    }
}
