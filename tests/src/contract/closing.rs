//! From a schema of OpenAPI to one that forbids what it does not declare: `allOf` is flattened, a discriminator leads
//! to exactly one schema, and what is not required may be null.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// The schemas of a document by name.
pub type Schemas = Map<String, Value>;

const REFERENCE: &str = "#/components/schemas/";

/// Keywords that constrain a value and mean the same in both.
const KEPT: [&str; 12] = [
    "type",
    "enum",
    "const",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minProperties",
];

/// An object schema with all that it has by `allOf`.
#[derive(Debug, Default)]
pub struct Flat {
    /// The properties.
    pub properties: Map<String, Value>,
    /// Those that must be there.
    pub required: BTreeSet<String>,
    /// What others may be; none where nothing is said of them.
    pub additional: Option<Value>,
    /// What leads from a value of it to a more special schema; never one of a schema that it is made of.
    pub discriminator: Option<Value>,
}

/// The schema that a reference names.
#[must_use]
pub fn referenced(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(REFERENCE)
}

/// The one reference that a schema is but for annotations: `{"allOf": [{"$ref": ...}], "readOnly": true}`.
#[must_use]
pub fn alias(schema: &Value) -> Option<&str> {
    if let Some(name) = referenced(schema) {
        return Some(name);
    }
    let parts = schema.get("allOf")?.as_array()?;
    if parts.len() == 1 && schema.get("properties").is_none() { referenced(parts.first()?) } else { None }
}

/// Whether it is an object whose properties are known.
#[must_use]
pub fn is_object(schema: &Value) -> bool {
    ["properties", "allOf", "discriminator"].iter().any(|name| schema.get(name).is_some())
}

/// An object schema with all that it has by `allOf`.
#[must_use]
pub fn flatten(schemas: &Schemas, schema: &Value) -> Flat {
    let mut flat = Flat::default();
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        let inherited = referenced(part);
        let part = flatten(schemas, inherited.and_then(|name| schemas.get(name)).unwrap_or(part));
        flat.properties.extend(part.properties);
        flat.required.extend(part.required);
        flat.additional = part.additional.or(flat.additional);
        if inherited.is_none() {
            flat.discriminator = part.discriminator.or(flat.discriminator);
        }
    }
    let own = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    flat.properties.extend(own);
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    flat.required.extend(required.filter_map(Value::as_str).map(str::to_owned));
    flat.additional = schema.get("additionalProperties").cloned().or(flat.additional);
    flat.discriminator = schema.get("discriminator").cloned().or(flat.discriminator);
    flat
}

/// The values of a discriminator and the schemas that they lead to.
#[must_use]
pub fn choices(discriminator: &Value) -> (&str, Vec<(&str, &str)>) {
    let name = discriminator.get("propertyName").and_then(Value::as_str).unwrap_or_default();
    let mapping = discriminator.get("mapping").and_then(Value::as_object).into_iter().flatten();
    (name, mapping.filter_map(|(value, to)| Some((value.as_str(), to.as_str()?.strip_prefix(REFERENCE)?))).collect())
}

/// A schema of JSON Schema 2020-12 that stands for itself, closed.
#[must_use]
pub fn closed(schemas: &Schemas, schema: &Value) -> Value {
    let mut closing = Closing { schemas, wanted: Vec::new(), done: BTreeSet::new() };
    let mut whole = closing.inline(schema);
    let mut definitions = Map::new();
    while let Some(name) = closing.wanted.pop() {
        if closing.done.insert(name.clone()) {
            let definition = schemas.get(&name).map_or(Value::Bool(false), |schema| closing.define(schema));
            definitions.insert(name, definition);
        }
    }
    if let Some(fields) = whole.as_object_mut() {
        fields.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        fields.insert("$defs".to_owned(), Value::Object(definitions));
    }
    whole
}

struct Closing<'a> {
    schemas: &'a Schemas,
    wanted: Vec<String>,
    done: BTreeSet<String>,
}

impl Closing<'_> {
    fn refer(&mut self, name: &str) -> Value {
        self.wanted.push(name.to_owned());
        json!({"$ref": format!("#/$defs/{name}")})
    }

    /// A schema that has a name; its discriminator counts.
    fn define(&mut self, schema: &Value) -> Value {
        if !is_object(schema) {
            return self.inline(schema);
        }
        let flat = flatten(self.schemas, schema);
        let Some(discriminator) = flat.discriminator else { return self.object(&flat) };
        let (property, choices) = choices(&discriminator);
        let values: Vec<&str> = choices.iter().map(|(value, _)| *value).collect();
        let leads: Vec<Value> = choices
            .iter()
            .map(|(value, name)| {
                let to = self.refer(name);
                json!({"if": {"properties": {property: {"const": value}}, "required": [property]}, "then": to})
            })
            .collect();
        json!({
            "type": "object", "required": [property], "properties": {property: {"enum": values}}, "allOf": leads,
        })
    }

    fn object(&mut self, flat: &Flat) -> Value {
        let mut properties = Map::new();
        for (name, schema) in &flat.properties {
            let schema = self.inline(schema);
            let schema = if flat.required.contains(name) { schema } else { or_null(schema) };
            properties.insert(name.clone(), schema);
        }
        let additional = match &flat.additional {
            Some(Value::Bool(allowed)) => Value::Bool(*allowed),
            Some(schema) => self.inline(schema),
            None => Value::Bool(false),
        };
        json!({
            "type": "object", "properties": properties, "required": flat.required, "additionalProperties": additional,
        })
    }

    fn inline(&mut self, schema: &Value) -> Value {
        if let Some(name) = alias(schema) {
            return self.refer(name);
        }
        if is_object(schema) {
            return self.define(schema);
        }
        let mut kept = Map::new();
        for (name, value) in schema.as_object().into_iter().flatten() {
            match name.as_str() {
                name if KEPT.contains(&name) => {
                    kept.insert(name.to_owned(), value.clone());
                }
                "items" => {
                    kept.insert(name.clone(), self.inline(value));
                }
                "additionalProperties" if value.is_object() => {
                    kept.insert(name.clone(), self.inline(value));
                }
                "additionalProperties" => {
                    kept.insert(name.clone(), value.clone());
                }
                "oneOf" | "anyOf" => {
                    let parts = value.as_array().into_iter().flatten().map(|part| self.inline(part)).collect();
                    kept.insert(name.clone(), Value::Array(parts));
                }
                _ => {}
            }
        }
        let kept = Value::Object(kept);
        if schema.get("nullable") == Some(&Value::Bool(true)) { or_null(kept) } else { kept }
    }
}

/// The same, or null.
fn or_null(schema: Value) -> Value {
    if schema.as_object().is_some_and(Map::is_empty) {
        return schema;
    }
    json!({"if": {"type": "null"}, "else": schema})
}
