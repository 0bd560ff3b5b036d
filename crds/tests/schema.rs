//! What must hold of every definition, whatever kind it defines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use azureml_crds::definitions;
use serde_json::Value;

/// Every schema of a definition with its path, depth first.
fn walk<'a>(path: &str, schema: &'a Value, visit: &mut dyn FnMut(&str, &'a Value)) {
    visit(path, schema);
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            walk(&format!("{path}.{name}"), property, visit);
        }
    }
    if schema["items"].is_object() {
        walk(&format!("{path}[]"), &schema["items"], visit);
    }
    if schema["additionalProperties"].is_object() {
        walk(&format!("{path}{{}}"), &schema["additionalProperties"], visit);
    }
}

/// Calls `visit` with kind, path and schema for each schema of each definition.
fn each_schema(mut visit: impl FnMut(&str, &str, &Value)) {
    for definition in definitions() {
        let kind = definition.spec.names.kind.clone();
        let document = serde_json::to_value(&definition).unwrap();
        let root = &document["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        walk("", root, &mut |path, schema| visit(&kind, path, schema));
    }
}

/// Fields of which `holds` is false.
fn offenders(holds: impl Fn(&str, &Value) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    each_schema(|kind, path, schema| {
        if !holds(path, schema) {
            found.push(format!("{kind}{path}"));
        }
    });
    found
}

fn is_field(path: &str) -> bool {
    !path.is_empty() && !path.ends_with("[]") && !path.ends_with("{}")
}

#[test]
fn every_field_has_a_sentence() {
    let bare = offenders(|path, schema| {
        !is_field(path) || path == ".spec" || schema["description"].as_str().is_some_and(|text| text.len() > 8)
    });
    assert_eq!(bare, Vec::<String>::new());
}

#[test]
fn sentences_name_no_type_of_ours_and_break_no_lines() {
    let odd = offenders(|_, schema| {
        schema["description"]
            .as_str()
            .is_none_or(|text| !text.contains("::") && !text.contains("[`") && !text.replace("\n\n", "").contains('\n'))
    });
    assert_eq!(odd.into_iter().filter(|path| !path.contains(".conditions")).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn everything_a_person_writes_is_bounded() {
    let unbounded = offenders(|path, schema| {
        if !path.starts_with(".spec") {
            return true;
        }
        match schema["type"].as_str() {
            Some("string") => schema["maxLength"].is_number() || schema["enum"].is_array(),
            Some("array") => schema["maxItems"].is_number(),
            Some("object") if schema["additionalProperties"].is_object() => schema["maxProperties"].is_number(),
            Some("integer") => schema["minimum"].is_number() && schema["maximum"].is_number(),
            _ => true,
        }
    });
    assert_eq!(unbounded, Vec::<String>::new());
}

#[test]
fn lists_and_maps_of_status_are_bounded() {
    let unbounded = offenders(|path, schema| {
        !path.starts_with(".status")
            || match schema["type"].as_str() {
                Some("array") => schema["maxItems"].is_number(),
                Some("object") if schema["additionalProperties"].is_object() => schema["maxProperties"].is_number(),
                _ => true,
            }
    });
    assert_eq!(unbounded, Vec::<String>::new());
}

#[test]
fn nothing_is_defaulted_and_null_means_absent() {
    let odd = offenders(|_, schema| {
        schema.get("default").is_none()
            && schema.get("nullable").is_none()
            && schema["enum"].as_array().is_none_or(|values| values.iter().all(Value::is_string))
    });
    assert_eq!(odd, Vec::<String>::new());
}

#[test]
fn integers_have_formats_that_kubernetes_knows() {
    let odd = offenders(|_, schema| {
        schema["type"] != "integer" || matches!(schema["format"].as_str(), Some("int32" | "int64"))
    });
    assert_eq!(odd, Vec::<String>::new());
}

#[test]
fn rules_have_messages_that_say_more_than_the_rule() {
    let mut rules = 0;
    each_schema(|kind, path, schema| {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let message = rule["message"].as_str().unwrap_or_default();
            assert!(message.contains(' ') && message != rule["rule"], "{kind}{path}: {rule}");
            rules += 1;
        }
    });
    assert!(rules > 50, "{rules} rules");
}

#[test]
fn keyed_lists_are_maps_of_keys_that_exist() {
    let odd = offenders(|_, schema| {
        schema["x-kubernetes-list-type"] != "map"
            || schema["x-kubernetes-list-map-keys"].as_array().is_some_and(|keys| {
                keys.iter().all(|key| {
                    let required = schema["items"]["required"].as_array();
                    required.is_some_and(|required| required.contains(key))
                })
            })
    });
    assert_eq!(odd, Vec::<String>::new());
}

#[test]
fn each_definition_is_below_100_kb_and_shows_ready_reason_first_and_age_last() {
    for definition in definitions() {
        let size = serde_json::to_string(&definition).unwrap().len();
        let name = &definition.spec.names.plural;
        assert!(size < 100_000, "{name} has {size} bytes");
        let version = &definition.spec.versions[0];
        assert!(version.subresources.as_ref().is_some_and(|resources| resources.status.is_some()), "{name}");
        let columns: Vec<&str> =
            version.additional_printer_columns.iter().flatten().map(|column| column.name.as_str()).collect();
        assert_eq!(&columns[..2], ["READY", "REASON"], "{name}");
        assert_eq!(columns.last(), Some(&"AGE"), "{name}");
        assert_eq!(definition.spec.names.categories.as_deref(), Some(&["azureml".to_owned()][..]), "{name}");
        assert_eq!(definition.metadata.name.as_deref(), Some(format!("{name}.azureml.dev").as_str()));
    }
}

#[test]
fn columns_and_selectors_point_to_fields_that_exist() {
    for definition in definitions() {
        let document = serde_json::to_value(&definition).unwrap();
        let version = &document["spec"]["versions"][0];
        let columns = version["additionalPrinterColumns"].as_array().into_iter().flatten();
        for entry in columns.chain(version["selectableFields"].as_array().into_iter().flatten()) {
            let path = entry["jsonPath"].as_str().unwrap();
            if path.starts_with(".metadata") {
                continue;
            }
            let fields = path.split('[').next().unwrap_or_default().split('.').skip(1);
            let root = &version["schema"]["openAPIV3Schema"];
            let found = fields.fold(root, |schema, field| &schema["properties"][field]);
            assert!(found.is_object(), "{}: {path}", definition.spec.names.kind);
        }
    }
}
