//! What a fault does to the requests that it hits.

use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// Every effect with what it does: told to who orders one that there is not, and by `GET /_emulator/faults`.
pub(crate) const EFFECTS: &[(&str, &str)] = &[
    ("status", "the request is not executed, and answered with this status and Azure's form of an error"),
    ("code", "the error's code, with status"),
    ("message", "the error's message, with status"),
    ("rawBody", "with status, this text in place of Azure's error: a proxy's HTML page, JSON that is none"),
    ("headers", "headers of the answer, by name"),
    ("retryAfterSeconds", "the answer's Retry-After"),
    ("dateSkewSeconds", "the answer's Date is so far from the clock"),
    (
        "truncated",
        "the answer ends in its middle: \"whole\" (its length is that of the half), \"cut\" (the connection ends before its length)",
    ),
    ("delayMilliseconds", "the request waits before anything else"),
    ("reset", "the connection ends without an answer: \"before\" (or true) the request is executed, or \"after\""),
    ("hold", "the request hangs until the fault is removed: \"before\" it is executed, or \"after\""),
    ("operationFails", "the operation that it begins fails with this code and message"),
    ("operationReverts", "the operation that it begins is said to succeed and changes nothing"),
    ("operationLost", "the operation that it begins goes on, but its address answers 404"),
    ("operationTakesMilliseconds", "the operation that it begins takes so long"),
    ("jobFails", "the job that it puts fails with this code and message"),
    ("jobTakesMilliseconds", "the job that it puts is queued for so long before it runs"),
    (
        "tokenSkewSeconds",
        "the token that it is given was made by a clock that is so far off: from -3599 it has expired, from 301 it is not good yet",
    ),
    (
        "model",
        "for requests that are scored by a deployment whose /onlineEndpoints/{name}/deployments/{name} matches path: delayMilliseconds, status of the model, wrong predictions, unhealthy",
    ),
];

/// When something happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Moment {
    /// Before it is executed.
    Before,
    /// After it was executed, before it is answered.
    After,
}

/// How an answer ends too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Truncated {
    /// Half of it, with the length of the half: its JSON is malformed.
    Whole,
    /// Half of it, with the length of the whole: the connection ends.
    Cut,
}

/// Why something fails, in Azure's terms.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// What a deployment's model does wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ModelTrouble {
    pub(crate) delay_milliseconds: u64,
    pub(crate) status: Option<u16>,
    pub(crate) wrong: bool,
    /// No instance of the deployment answers, though Azure calls it Succeeded.
    pub(crate) unhealthy: bool,
}

/// What happens to a request that matches; [`EFFECTS`] tells each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Effect {
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) raw_body: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) retry_after_seconds: Option<u64>,
    pub(crate) date_skew_seconds: Option<i64>,
    pub(crate) truncated: Option<Truncated>,
    pub(crate) delay_milliseconds: Option<u64>,
    #[serde(deserialize_with = "reset")]
    pub(crate) reset: Option<Moment>,
    /// One whose client goes away while it is held before it is executed never is.
    pub(crate) hold: Option<Moment>,
    pub(crate) operation_fails: Option<Reason>,
    pub(crate) operation_reverts: bool,
    pub(crate) operation_lost: bool,
    pub(crate) operation_takes_milliseconds: Option<u64>,
    pub(crate) job_fails: Option<Reason>,
    pub(crate) job_takes_milliseconds: Option<u64>,
    pub(crate) token_skew_seconds: Option<i64>,
    pub(crate) model: Option<ModelTrouble>,
}

/// `true` is before.
fn reset<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Moment>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "reset is true, \"before\" or \"after\"")]
    enum Wanted {
        Flag(bool),
        Moment(Moment),
    }
    Ok(match Wanted::deserialize(from)? {
        Wanted::Flag(flag) => flag.then_some(Moment::Before),
        Wanted::Moment(moment) => Some(moment),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn every_effect_is_told_and_every_one_that_is_told_is_there() {
        // A wrong field makes serde list the right ones.
        let wrong = serde_json::from_value::<Effect>(json!({"wrong": 1})).unwrap_err().to_string();
        for (name, _) in EFFECTS {
            assert!(wrong.contains(&format!("`{name}`")), "{name} is no effect: {wrong}");
        }
        assert_eq!(wrong.matches('`').count() / 2, EFFECTS.len() + 1, "an effect is not told: {wrong}");
    }

    #[test]
    fn a_reset_is_before_or_after() {
        let read = |value: Value| serde_json::from_value::<Effect>(json!({"reset": value})).map(|effect| effect.reset);
        assert_eq!(read(json!(true)).unwrap(), Some(Moment::Before));
        assert_eq!(read(json!(false)).unwrap(), None);
        assert_eq!(read(json!("after")).unwrap(), Some(Moment::After));
        assert!(read(json!("later")).unwrap_err().to_string().contains("before"));
    }
}
