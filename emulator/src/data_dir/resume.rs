//! What was under way when the emulator ended goes on: operations by the requests that began them, jobs from their start.

use super::{DataDirError, restore};
use crate::online::keep::settled;
use crate::operations::Cause;
use crate::server::App;
use crate::surface::http::{Incoming, Interrupted, Orders};
use crate::tokens::{Claims, LIFETIME};
use axum::body::to_bytes;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Longest answer that is read.
const LONGEST: usize = 1024 * 1024;

impl App {
    /// Puts back what was kept, and lets go on what was under way.
    pub(crate) async fn resume(self: &Arc<Self>) -> Result<(), DataDirError> {
        let keep = self.estate.keep.clone();
        if !keep.is_on() {
            return Ok(());
        }
        restore::estate(&keep, &self.estate)?;
        restore::plane(&keep, &self.routes.plane)?;
        let interrupted = self.estate.operations.interrupted();
        self.settle(&interrupted.iter().filter_map(|(_, cause)| Some(bare(&cause.as_ref()?.path))).collect());
        for (operation, cause) in interrupted {
            match cause {
                Some(cause) => self.go_on(&operation, cause).await,
                None => self.estate.operations.end(&operation, Ok(()), self.estate.clock.now()),
            }
        }
        self.routes.plane.jobs.resume();
        Ok(())
    }

    /// Ends states of something under way where no operation is: whoever asked for it was never answered.
    fn settle(&self, under_way: &BTreeSet<String>) {
        let mut world = self.estate.world();
        let unsettled = world.below("/").filter(|(id, resource)| {
            let state = resource.body.pointer("/properties/provisioningState").and_then(Value::as_str);
            !under_way.contains(*id) && state.is_some_and(|state| ["Creating", "Updating", "Deleting"].contains(&state))
        });
        let unsettled: Vec<String> = unsettled.map(|(id, _)| id.to_owned()).collect();
        for id in unsettled {
            if let Some(state) =
                world.resource_mut(&id).and_then(|body| body.pointer_mut("/properties/provisioningState"))
            {
                *state = Value::from(settled(state.as_str().unwrap_or_default()));
            }
        }
        drop(world);
        self.routes.plane.online.settle(|id| under_way.contains(id));
    }

    /// Sends the request again that began an operation, as who sent it.
    async fn go_on(self: &Arc<Self>, operation: &str, cause: Cause) {
        let left = cause.due.duration_since(Timestamp::now());
        let now = self.estate.clock.now();
        let claims = Claims { iat: now.as_second(), exp: now.as_second() + LIFETIME, ..cause.claims };
        let mut headers = axum::http::HeaderMap::new();
        let token = self.estate.signer.sign(&claims).ok();
        if let Some(value) = token.and_then(|token| format!("Bearer {token}").parse().ok()) {
            headers.insert("authorization", value);
        }
        let orders = Orders {
            takes: Duration::try_from(left).unwrap_or_default(),
            fate: cause.fate,
            resumes: Some(Interrupted { operation: operation.to_owned(), ends: cause.ends }),
            ..Orders::default()
        };
        let incoming = Incoming {
            method: cause.method,
            path: cause.path,
            query: cause.query,
            headers,
            body: cause.body.into_bytes(),
            blob_endpoint: self.blob_endpoint(&cause.base),
            base: cause.base,
            orders,
            ..Incoming::default()
        };
        tracing::info!(operation, path = incoming.path, "goes on");
        let response = Arc::clone(self).route(&incoming).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), LONGEST).await.unwrap_or_default();
        // It was all done before the end, or can't be done any more.
        if self.estate.operations.interrupted().iter().any(|(open, _)| open == operation) {
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let text = |name: &str| body.pointer(&format!("/error/{name}")).and_then(Value::as_str).map(str::to_owned);
            let end = match status < 300 {
                true => Ok(()),
                false => Err((text("code").unwrap_or_default(), text("message").unwrap_or_default())),
            };
            self.estate.operations.end(operation, end, self.estate.clock.now());
        }
    }
}

/// A path as ids are compared.
fn bare(path: &str) -> String {
    crate::surface::http::decoded(path).trim_end_matches('/').to_ascii_lowercase()
}
