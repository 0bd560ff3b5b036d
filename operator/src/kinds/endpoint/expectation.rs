//! Whether an answer to the smoke request is what is expected. Pure.

use azureml::resources::scoring::Scored;
use azureml_crds::endpoint::Expectation;
use serde_json::Value;

use crate::rollout::Proof;

/// The characters of an answer that a message quotes.
const QUOTED: usize = 300;

/// Judges an answer.
#[must_use]
pub fn judge(expect: &Expectation, scored: &Scored) -> Proof {
    let wanted = expect.status.and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
    let quoted: String = scored.text.chars().take(QUOTED).collect();
    if scored.status != wanted {
        let message = format!("the endpoint answered {}, and {wanted} is expected: {quoted}", scored.status);
        // A route that is not there yet, or a gateway that has no machine yet.
        return if matches!(scored.status, 404 | 408 | 429 | 502 | 503 | 504) {
            Proof::NotYet(message)
        } else {
            Proof::Failed(message)
        };
    }
    if expect.predictions.is_none() && expect.json_path.is_none() {
        return Proof::Passed;
    }
    let Some(body) = &scored.body else {
        return Proof::Failed(format!("the answer is not JSON: {quoted}"));
    };
    if let Some(wanted) = expect.predictions {
        let list = body.as_array().or_else(|| body.get("predictions").and_then(Value::as_array));
        match list.map(Vec::len) {
            Some(number) if usize::try_from(wanted).is_ok_and(|wanted| wanted == number) => {}
            Some(number) => {
                return Proof::Failed(format!(
                    "the answer has {number} predictions, and {wanted} are expected: {quoted}"
                ));
            }
            None => return Proof::Failed(format!("the answer is not a list of predictions: {quoted}")),
        }
    }
    let Some(path) = &expect.json_path else { return Proof::Passed };
    match (find(body, path), &expect.value) {
        (None, _) => Proof::Failed(format!("expect.jsonPath {path} finds nothing in the answer: {quoted}")),
        (Some(_), None) => Proof::Passed,
        (Some(found), Some(value)) => {
            let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            if text == *value {
                Proof::Passed
            } else {
                Proof::Failed(format!("expect.jsonPath {path} finds {text:?}, and {value:?} is expected"))
            }
        }
    }
}

/// What a path finds: `$`, then `.name`, `['name']` and `[0]`.
fn find<'a>(body: &'a Value, path: &str) -> Option<&'a Value> {
    let mut rest = path.strip_prefix('$')?;
    let mut at = body;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (inside, after) = after.split_once(']')?;
            at = match inside.trim_matches(['\'', '"']) {
                name if name.len() != inside.len() => at.get(name)?,
                index => at.get(index.parse::<usize>().ok()?)?,
            };
            rest = after;
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            at = at.get(name)?;
            rest = after;
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scored(status: u16, body: Value) -> Scored {
        Scored { status, text: body.to_string(), body: Some(body) }
    }

    fn expect(text: Value) -> Expectation {
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn answers_are_judged_by_status_number_and_path() {
        let passes = [
            (json!({}), scored(200, json!(["no"]))),
            (json!({"status": 200, "predictions": 1}), scored(200, json!(["no"]))),
            (json!({"predictions": 2}), scored(200, json!({"predictions": [1, 2]}))),
            (json!({"jsonPath": "$[0]", "value": "no"}), scored(200, json!(["no"]))),
            (
                json!({"jsonPath": "$.predictions[0].label", "value": "3"}),
                scored(200, json!({"predictions": [{"label": 3}]})),
            ),
            (json!({"jsonPath": "$['a b']"}), scored(200, json!({"a b": null}))),
            (json!({"status": 424}), scored(424, json!("broken"))),
        ];
        for (wanted, answer) in passes {
            assert_eq!(judge(&expect(wanted.clone()), &answer), Proof::Passed, "{wanted}");
        }
        let fails = [
            (json!({}), scored(424, json!("broken"))),
            (json!({}), scored(500, json!("broken"))),
            (json!({"predictions": 1}), scored(200, json!([]))),
            (json!({"predictions": 1}), scored(200, json!({"x": 1}))),
            (json!({"jsonPath": "$[1]"}), scored(200, json!(["no"]))),
            (json!({"jsonPath": "$[0]", "value": "yes"}), scored(200, json!(["no"]))),
        ];
        for (wanted, answer) in fails {
            assert!(matches!(judge(&expect(wanted.clone()), &answer), Proof::Failed(_)), "{wanted}");
        }
        for status in [404, 429, 503] {
            assert!(matches!(judge(&expect(json!({})), &scored(status, json!(""))), Proof::NotYet(_)), "{status}");
        }
    }
}
