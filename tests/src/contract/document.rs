//! The documents that say what goes over the wire: the API's own, and ours for what it leaves open.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use flate2::read::GzDecoder;
use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::closing::{Schemas, closed};
use super::route::Template;
use crate::failure::{Failure, Result, While};

/// Azure ML's own document, as tests/contract/README.md tells its origin.
const AZURE_ML: &[u8] = include_bytes!("../../contract/azureml-2025-12-01.json.gz");
/// What it leaves open, closed.
const OPEN_PLACES: &str = include_str!("../../contract/open-places.yaml");
/// The services beside it.
const OURS: [(&str, &str); 7] = [
    ("arm", include_str!("../../contract/arm.yaml")),
    ("blob", include_str!("../../contract/blob.yaml")),
    ("entra", include_str!("../../contract/entra.yaml")),
    ("insights", include_str!("../../contract/insights.yaml")),
    ("registries", include_str!("../../contract/registries.yaml")),
    ("run-history", include_str!("../../contract/run-history.yaml")),
    ("scoring", include_str!("../../contract/scoring.yaml")),
];

/// All documents.
#[derive(Debug)]
pub struct Documents {
    operations: Vec<Operation>,
    schemas: Vec<Schemas>,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// An operation of a document.
#[derive(Debug)]
pub struct Operation {
    /// Its name, such as `Jobs_CreateOrUpdate`.
    pub id: String,
    /// The method, in upper case.
    pub method: String,
    /// Its path.
    pub template: Template,
    /// Which document's it is.
    document: usize,
    /// The parameters of query and headers.
    pub parameters: Vec<Parameter>,
    /// What it takes.
    pub request: Option<Body>,
    /// What it answers, by status code or `default`.
    pub responses: BTreeMap<String, Response>,
    /// Whether it needs no proof of who asks.
    pub open: bool,
}

/// A parameter of query or headers.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Whether it is a header.
    pub header: bool,
    /// Whether it must be there.
    pub required: bool,
    /// Its schema.
    pub schema: Value,
}

/// What a body may be.
#[derive(Debug)]
pub struct Body {
    /// Whether it must be there.
    pub required: bool,
    /// The schema by media type; `*/*` stands for bytes of any.
    pub content: BTreeMap<String, Value>,
}

/// What an answer may be.
#[derive(Debug)]
pub struct Response {
    /// The headers that it may have, in lower case.
    pub headers: Vec<String>,
    /// Its body; none where it has none.
    pub body: Option<Body>,
}

impl Documents {
    /// Reads them.
    ///
    /// # Errors
    /// When one is not as expected.
    pub fn load() -> Result<Self> {
        let mut documents = Self { operations: Vec::new(), schemas: Vec::new(), validators: Mutex::default() };
        let mut text = String::new();
        GzDecoder::new(AZURE_ML).read_to_string(&mut text).doing("the document of Azure ML")?;
        let mut azure_ml: Value = serde_json::from_str(&text).doing("the document of Azure ML")?;
        let places = yaml("open-places", OPEN_PLACES)?;
        close_open_places(&mut azure_ml, &places)?;
        documents.add(&azure_ml)?;
        for (id, parameters) in places["parameters"].as_object().doing("parameters")? {
            let operation = documents.operations.iter_mut().find(|known| known.id == *id).doing(id)?;
            for parameter in parameters.as_array().doing(id)? {
                operation.parameters.push(read_parameter(parameter, "")?);
            }
        }
        for (name, text) in OURS {
            documents.add(&yaml(name, text)?).doing(name)?;
        }
        Ok(documents)
    }

    fn add(&mut self, document: &Value) -> Result {
        let at = self.schemas.len();
        let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
        self.schemas.push(schemas.cloned().unwrap_or_default());
        let version = document["info"]["version"].as_str().unwrap_or_default();
        let prefix = document.pointer("/servers/0/url").and_then(Value::as_str).unwrap_or_default();
        let prefix = prefix.trim_end_matches('/').trim_start_matches("https://management.azure.com");
        for (path, methods) in document["paths"].as_object().doing("paths")? {
            let template = Template::parse(&format!("{prefix}{path}"));
            let shared = methods["parameters"].as_array().cloned().unwrap_or_default();
            for (method, operation) in methods.as_object().doing(path)?.iter().filter(|(name, _)| *name != "parameters")
            {
                let own = operation["parameters"].as_array().into_iter().flatten();
                let parameters: Vec<Value> =
                    shared.iter().chain(own).map(|parameter| dereferenced(document, parameter).clone()).collect();
                let read = read_operation(operation, &parameters, version, at);
                let read = read.doing(format_args!("{method} {path}"))?;
                self.operations.push(Operation { method: method.to_uppercase(), template: template.clone(), ..read });
            }
        }
        Ok(())
    }

    /// The operation that a request is of.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Option<&Operation> {
        let path = path.trim_end_matches('/');
        let found = self.operations.iter().filter(|known| known.method == method && known.template.matches(path));
        found.max_by_key(|known| known.template.precision())
    }

    /// All operations.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The schemas of an operation's document.
    #[must_use]
    pub fn schemas_of(&self, operation: &Operation) -> &Schemas {
        &self.schemas[operation.document]
    }

    /// The validator of a schema of an operation's document, closed.
    ///
    /// # Errors
    /// When the schema is none.
    pub fn validator(&self, operation: &Operation, schema: &Value) -> Result<Arc<Validator>> {
        let key = format!("{} {schema}", operation.document);
        let mut known = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(validator) = known.get(&key) {
            return Ok(validator.clone());
        }
        let closed = closed(self.schemas_of(operation), schema);
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            .should_ignore_unknown_formats(true)
            .with_format("duration", is_duration)
            .build(&closed)
            .map_err(|error| Failure::new(format!("the schema of {}: {error}", operation.id)))?;
        let validator = Arc::new(validator);
        known.insert(key, validator.clone());
        Ok(validator)
    }
}

/// An ISO 8601 duration. Azure writes fractions of a second too, which RFC 3339 leaves out.
fn is_duration(text: &str) -> bool {
    let Some(text) = text.strip_prefix('P') else { return false };
    let (days, time) = text.split_once('T').map_or((text, None), |(days, time)| (days, Some(time)));
    let parts = |text: &str, units: &str| {
        text.split_inclusive(|letter: char| letter.is_ascii_alphabetic()).all(|part| {
            let (number, unit) = part.split_at(part.len() - 1);
            units.contains(unit) && number.parse::<f64>().is_ok()
        })
    };
    !text.is_empty() && parts(days, "YMWD") && time.is_none_or(|time| !time.is_empty() && parts(time, "HMS"))
}

fn yaml(name: &str, text: &str) -> Result<Value> {
    serde_saphyr::from_str(text).doing(format_args!("tests/contract/{name}.yaml"))
}

/// Puts schemas where the API's document says nothing.
fn close_open_places(document: &mut Value, places: &Value) -> Result {
    let schemas = document["components"]["schemas"].as_object_mut().doing("components.schemas")?;
    for (name, schema) in places["schemas"].as_object().doing("schemas")? {
        schemas.insert(name.clone(), schema.clone());
    }
    for (place, schema) in places["properties"].as_object().doing("properties")? {
        let (name, property) = place.split_once('.').doing(place)?;
        let known = schemas.get_mut(name).and_then(|schema| property_mut(schema, property)).doing(place)?;
        *known = schema.clone();
    }
    Ok(())
}

fn property_mut<'a>(schema: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    if schema["properties"].get(name).is_some() {
        return schema["properties"].get_mut(name);
    }
    schema.get_mut("allOf")?.as_array_mut()?.iter_mut().find_map(|part| part.get_mut("properties")?.get_mut(name))
}

/// What a parameter's reference leads to.
fn dereferenced<'a>(document: &'a Value, parameter: &'a Value) -> &'a Value {
    let to = parameter.get("$ref").and_then(Value::as_str).and_then(|to| document.pointer(to.trim_start_matches('#')));
    to.unwrap_or(parameter)
}

fn read_operation(operation: &Value, parameters: &[Value], version: &str, document: usize) -> Result<Operation> {
    let parameters = parameters.iter().filter(|parameter| parameter["in"] != "path");
    let mut responses = BTreeMap::new();
    for (status, response) in operation["responses"].as_object().doing("responses")? {
        let headers = response["headers"].as_object().into_iter().flatten();
        let headers = headers.map(|(name, _)| name.to_lowercase()).collect();
        responses.insert(status.clone(), Response { headers, body: read_body(response) });
    }
    Ok(Operation {
        id: operation["operationId"].as_str().doing("operationId")?.to_owned(),
        method: String::new(),
        template: Template::parse("/"),
        document,
        parameters: parameters.map(|parameter| read_parameter(parameter, version)).collect::<Result<_>>()?,
        request: read_body(&operation["requestBody"]),
        responses,
        open: operation["security"].as_array().is_some_and(Vec::is_empty),
    })
}

fn read_parameter(parameter: &Value, version: &str) -> Result<Parameter> {
    let name = parameter["name"].as_str().doing("name of a parameter")?.to_owned();
    let mut schema = parameter["schema"].clone();
    // The document is of one api-version: another one is not spoken.
    if name == "api-version" && schema.get("enum").is_none() {
        schema = json!({"type": "string", "enum": [version]});
    }
    Ok(Parameter { name, header: parameter["in"] == "header", required: parameter["required"] == true, schema })
}

fn read_body(holder: &Value) -> Option<Body> {
    let content = holder.get("content")?.as_object()?;
    let schema = |media: &Value| media.get("schema").cloned().unwrap_or_else(|| Value::Object(Map::new()));
    let content = content.iter().map(|(kind, media)| (kind.clone(), schema(media))).collect();
    Some(Body { required: holder["required"] == true, content })
}
