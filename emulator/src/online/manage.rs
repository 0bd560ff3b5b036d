//! Keys, tokens and logs of endpoints.

use super::rules::Refusal;
use super::{Online, new_key};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// How long an AML token holds; it is to be renewed in half of that.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(8);

impl Online {
    /// `POST listKeys`.
    pub(crate) fn keys(&self, workspace: &str, name: &str) -> Result<Value, Refusal> {
        let keys = self.with(workspace, name, |endpoint| match endpoint.auth_mode() {
            "Key" => Ok(json!({"primaryKey": endpoint.primary_key, "secondaryKey": endpoint.secondary_key})),
            mode => Err(Refusal::bad(format!("The endpoint {name} has no keys: its authMode is {mode}."))),
        });
        keys.unwrap_or_else(|| Err(Refusal::not_found("endpoint", name)))
    }

    /// `POST regenerateKeys`.
    pub(crate) fn regenerate(&self, workspace: &str, name: &str, body: &Value) -> Result<(), Refusal> {
        let kind = body.get("keyType").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        let given = body.get("keyValue").and_then(Value::as_str).map(str::to_owned);
        let done = self.with(workspace, name, |endpoint| {
            let slot = match kind.as_str() {
                "primary" => &mut endpoint.primary_key,
                "secondary" => &mut endpoint.secondary_key,
                _ => return Err(Refusal::bad("keyType is Primary or Secondary.")),
            };
            *slot = given.unwrap_or_else(new_key);
            Ok(())
        });
        done.unwrap_or_else(|| Err(Refusal::not_found("endpoint", name)))
    }

    /// `POST token`.
    pub(crate) fn token(&self, workspace: &str, name: &str) -> Result<Value, Refusal> {
        let now = self.jobs().ground().now();
        let given = self.with(workspace, name, |endpoint| {
            if endpoint.auth_mode() == "Key" {
                return Err(Refusal::bad(format!("The endpoint {name} gives no tokens: its authMode is Key.")));
            }
            let token = new_key();
            let end = now.checked_add(TOKEN_LIFE).unwrap_or(now);
            endpoint.tokens.retain(|_, end| *end > now);
            endpoint.tokens.insert(token.clone(), end);
            Ok(json!({
                "accessToken": token,
                "tokenType": "Bearer",
                "expiryTimeUtc": end.as_second(),
                "refreshAfterTimeUtc": now.as_second() + TOKEN_LIFE.as_secs() / 2,
            }))
        });
        given.unwrap_or_else(|| Err(Refusal::not_found("endpoint", name)))
    }

    /// `POST getLogs`.
    pub(crate) fn logs(&self, workspace: &str, endpoint: &str, name: &str, body: &Value) -> Result<Value, Refusal> {
        let tail = body.get("tail").and_then(Value::as_u64).unwrap_or(100) as usize;
        let content = self.with(workspace, endpoint, |endpoint| {
            let deployment = endpoint.deployments.get(&name.to_ascii_lowercase())?;
            let from = deployment.lines.len().saturating_sub(tail);
            Some(deployment.lines.iter().skip(from).map(|line| format!("{line}\n")).collect::<String>())
        });
        content
            .flatten()
            .map(|content| json!({"content": content}))
            .ok_or_else(|| Refusal::not_found("deployment", name))
    }
}
