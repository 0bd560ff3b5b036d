//! Tags and properties: how many, how long, of what.

use crate::online::rules::Refusal;
use serde_json::{Map, Value};

/// What a resource has at most, of tags and of properties.
const MOST: usize = 50;

/// Characters that a tag of Azure Resource Manager has not in its name.
const RESERVED: [char; 7] = ['<', '>', '%', '&', '\\', '?', '/'];

fn refused(code: &'static str, message: String) -> Refusal {
    Refusal { status: 400, code, message }
}

/// Checks `tags` of a resource that Azure Resource Manager tracks ("Use tags to organize your Azure resources",
/// learn.microsoft.com).
pub(crate) fn tracked(body: &Map<String, Value>) -> Result<(), Refusal> {
    let Some(tags) = body.get("tags").filter(|tags| !tags.is_null()) else { return Ok(()) };
    let Some(tags) = tags.as_object() else {
        return Err(refused("InvalidRequestContent", "The tags are not a map of texts.".to_owned()));
    };
    if tags.len() > MOST {
        return Err(refused(
            "TooManyTags",
            format!("The resource has {} tags: it can have {MOST} at most.", tags.len()),
        ));
    }
    for (name, value) in tags {
        let Some(value) = value.as_str() else {
            return Err(refused("InvalidRequestContent", format!("The value of the tag '{name}' is no text.")));
        };
        if name.is_empty() || name.contains(RESERVED) || name.chars().any(char::is_control) {
            return Err(refused(
                "InvalidTagNameCharacters",
                format!(
                    "The tag names '{name}' have reserved characters '<,>,%,&,\\,?,/' or control characters, or are empty."
                ),
            ));
        }
        if name.chars().count() > 512 {
            return Err(refused(
                "InvalidTagNameLength",
                format!("The tag name '{name}' is too long: 512 characters at most."),
            ));
        }
        if value.chars().count() > 256 {
            return Err(refused(
                "InvalidTagValueLength",
                format!("The value of the tag '{name}' is too long: 256 characters at most."),
            ));
        }
    }
    Ok(())
}

/// What is wrong with the `tags` and `properties` of something that Azure Machine Learning keeps itself ("Service
/// limits", learn.microsoft.com).
pub(crate) fn own(given: &Map<String, Value>) -> Result<(), String> {
    for what in ["tags", "properties"] {
        let Some(map) = given.get(what).and_then(Value::as_object) else { continue };
        if map.len() > MOST {
            return Err(format!("There are {} {what}: there can be {MOST} at most.", map.len()));
        }
        for (name, value) in map {
            let length = value.as_str().map_or(0, |value| value.chars().count());
            if name.chars().count() > 100 || length > 1000 {
                return Err(format!("{name} in {what} is too long: a name has 100 characters at most, a value 1000."));
            }
        }
    }
    Ok(())
}

/// Properties that were there, with those that are new: they can be added, neither changed nor taken away.
pub(crate) fn added(before: Option<&Value>, given: Option<&Value>) -> Map<String, Value> {
    let mut own = before.and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, value) in given.and_then(Value::as_object).into_iter().flatten() {
        own.entry(name.clone()).or_insert_with(|| value.clone());
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tags_that_azure_takes_and_that_it_does_not() {
        let code = |tags: Value| {
            let body = json!({"tags": tags});
            tracked(body.as_object().unwrap()).map_err(|refusal| refusal.code)
        };
        let many = |count: usize| (0..count).map(|n| (format!("t{n}"), json!("x"))).collect::<Map<_, _>>();
        assert_eq!(code(json!({"cost center": "a/b?", "é": ""})), Ok(()));
        assert_eq!(code(Value::Object(many(50))), Ok(()));
        assert_eq!(code(Value::Object(many(51))), Err("TooManyTags"));
        assert_eq!(code(json!({"app/name": "x"})), Err("InvalidTagNameCharacters"));
        assert_eq!(code(json!({"a".repeat(513): "x"})), Err("InvalidTagNameLength"));
        assert_eq!(code(json!({"a": "é".repeat(256)})), Ok(()));
        assert_eq!(code(json!({"a": "é".repeat(257)})), Err("InvalidTagValueLength"));
        assert_eq!(code(json!({"a": 1})), Err("InvalidRequestContent"));
    }

    #[test]
    fn tags_of_azure_mls_own_have_other_lengths_and_any_character() {
        let check = |given: Value| own(given.as_object().unwrap()).is_ok();
        assert!(check(json!({"tags": {"app/name": "é".repeat(1000)}})));
        assert!(!check(json!({"tags": {"a": "x".repeat(1001)}})));
        assert!(!check(json!({"properties": {"a".repeat(101): "x"}})));
    }

    #[test]
    fn properties_are_added_and_stay() {
        let (before, given) = (json!({"a": "1"}), json!({"a": "2", "b": "3"}));
        assert_eq!(Value::Object(added(Some(&before), Some(&given))), json!({"a": "1", "b": "3"}));
        assert_eq!(Value::Object(added(Some(&before), None)), before);
    }
}
