//! Faults that a person picks by name.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One of them.
pub(super) struct Preset {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    /// What it does, in a sentence.
    pub(super) what: &'static str,
    /// The path it hits when none is given.
    pub(super) path: &'static str,
    effect: &'static str,
}

const ARM: &str = "^/subscriptions/";
const MODEL: &str = "/onlineEndpoints/";

/// All of them, in the order of the list.
pub(super) const PRESETS: &[Preset] = &[
    preset(
        "429",
        "429 storm",
        "Too many requests: asks to wait for five seconds.",
        ARM,
        r#"{"status": 429, "retryAfterSeconds": 5}"#,
    ),
    preset(
        "429-silent",
        "429 without Retry-After",
        "Too many requests, with no word of when to come again.",
        ARM,
        r#"{"status": 429}"#,
    ),
    preset("500", "500 internal error", "Fails inside.", ARM, r#"{"status": 500}"#),
    preset(
        "502",
        "502 with HTML",
        "A proxy in front answers with a page.",
        ARM,
        r#"{"status": 502, "rawBody": "<html><body><h1>502 Bad Gateway</h1></body></html>", "headers": {"content-type": "text/html"}}"#,
    ),
    preset("503", "503 unavailable", "Not available for now.", ARM, r#"{"status": 503, "retryAfterSeconds": 2}"#),
    preset(
        "403",
        "403 forbidden",
        "As if the role assignment were not known yet.",
        ARM,
        r#"{"status": 403, "code": "AuthorizationFailed", "message": "The client does not have authorization to perform the action."}"#,
    ),
    preset(
        "reset",
        "Connection reset",
        "Ends the connection without an answer, before the request is executed.",
        ARM,
        r#"{"reset": "before"}"#,
    ),
    preset(
        "reset-after",
        "Reset after execution",
        "Does what is asked, and ends the connection without an answer.",
        ARM,
        r#"{"reset": "after"}"#,
    ),
    preset("hang", "Hang", "Holds requests until the fault is removed.", ARM, r#"{"hold": "before"}"#),
    preset("slow", "Slow answers", "Every answer takes five seconds.", ARM, r#"{"delayMilliseconds": 5000}"#),
    preset(
        "truncated",
        "Truncated answer",
        "The connection ends in the middle of the answer.",
        ARM,
        r#"{"truncated": "cut"}"#,
    ),
    preset("malformed", "Malformed JSON", "Half of the answer, as if that were all.", ARM, r#"{"truncated": "whole"}"#),
    preset(
        "operation-fails",
        "Operation fails",
        "What the request begins is accepted, and fails.",
        ARM,
        r#"{"operationFails": {"code": "OutOfQuota", "message": "Not enough quota available for the request. Requested: 4 cores."}}"#,
    ),
    preset(
        "operation-slow",
        "Operation takes five minutes",
        "What the request begins takes long.",
        ARM,
        r#"{"operationTakesMilliseconds": 300000}"#,
    ),
    preset(
        "operation-lost",
        "Operation lost",
        "The operation's address answers 404.",
        ARM,
        r#"{"operationLost": true}"#,
    ),
    preset(
        "operation-reverts",
        "Operation changes nothing",
        "Said to succeed; all stays as it was.",
        ARM,
        r#"{"operationReverts": true}"#,
    ),
    preset(
        "job-fails",
        "Job fails",
        "A job that is put fails.",
        "/jobs/",
        r#"{"jobFails": {"code": "UserError", "message": "The job failed on purpose."}}"#,
    ),
    preset(
        "expired",
        "Expired tokens",
        "Tokens that are given out have expired.",
        "/oauth2/v2.0/token",
        r#"{"tokenSkewSeconds": -3599}"#,
    ),
    preset(
        "model-slow",
        "Slow model",
        "Predictions take five seconds.",
        MODEL,
        r#"{"model": {"delayMilliseconds": 5000}}"#,
    ),
    preset("model-wrong", "Wrong model", "Predictions are wrong.", MODEL, r#"{"model": {"wrong": true}}"#),
    preset("model-fails", "Failing model", "The scoring script fails.", MODEL, r#"{"model": {"status": 424}}"#),
    preset(
        "model-unhealthy",
        "Unhealthy deployment",
        "No instance answers, though Azure calls it Succeeded.",
        MODEL,
        r#"{"model": {"unhealthy": true}}"#,
    ),
];

const fn preset(
    name: &'static str,
    label: &'static str,
    what: &'static str,
    path: &'static str,
    effect: &'static str,
) -> Preset {
    Preset { name, label, what, path, effect }
}

/// The fault that a form asks for.
pub(super) fn fault(form: &BTreeMap<String, String>) -> Result<Value, String> {
    let text = |name: &str| form.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let name = text("preset").unwrap_or_default();
    let preset = PRESETS.iter().find(|preset| preset.name == name);
    let (effect, path) = match (text("effect"), preset) {
        (Some(custom), preset) => (custom, text("path").or(preset.map(|preset| preset.path))),
        (None, Some(preset)) => (preset.effect, text("path").or(Some(preset.path))),
        (None, None) => return Err(format!("There is no fault {name}: pick one of the list, or write an effect.")),
    };
    let effect: Value = serde_json::from_str(effect)
        .map_err(|why| format!("The effect is no JSON ({why}): write {{\"status\": 503}}, for example."))?;
    let mut fault = json!({"effect": effect, "path": path});
    if let Some(method) = text("method") {
        fault["method"] = Value::from(method);
    }
    for (field, what) in [("count", "a number of requests"), ("probability", "a share from 0 to 1")] {
        if let Some(given) = text(field) {
            let number: Value =
                serde_json::from_str(given).map_err(|_| format!("{field} is {given}: write {what}."))?;
            fault[field] = number;
        }
    }
    Ok(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::faults::Faults;

    #[test]
    fn every_preset_is_a_fault() {
        for preset in PRESETS {
            let form = BTreeMap::from([("preset".to_owned(), preset.name.to_owned())]);
            Faults::default().add(fault(&form).unwrap()).unwrap();
        }
    }

    #[test]
    fn a_form_narrows_a_preset_or_writes_an_effect_of_its_own() {
        let form = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let narrowed = fault(&form(&[
            ("preset", "500"),
            ("path", "/computes/"),
            ("method", "PUT"),
            ("count", "2"),
            ("effect", " "),
        ]));
        let expected = json!({"effect": {"status": 500}, "path": "/computes/", "method": "PUT", "count": 2});
        assert_eq!(narrowed.unwrap(), expected);
        let own = fault(&form(&[("preset", "500"), ("effect", r#"{"reset": true}"#)])).unwrap();
        assert_eq!(own["effect"], json!({"reset": true}));
        assert!(fault(&form(&[("preset", "x")])).unwrap_err().contains("pick one"));
        assert!(fault(&form(&[("preset", "500"), ("count", "many")])).unwrap_err().contains("count is many"));
        assert!(fault(&form(&[("effect", "{")])).unwrap_err().contains("no JSON"));
    }
}
