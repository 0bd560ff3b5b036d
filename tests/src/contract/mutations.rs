//! Shows that what is wrong is found: recorded exchanges are changed by generation, one place at a time, and every
//! change that the API does not allow has to be noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::LazyLock;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::check::{Side, check};
use super::closing::{Schemas, alias, choices, flatten, is_object};
use super::document::Documents;
use super::exchange::{Exchange, Message};
use super::exemptions::Exemptions;

const EXCHANGES: &[u8] = include_bytes!("../../contract/exchanges.json.gz");

/// Objects that may have any property with text in it: dictionaries of the API, by the last parts of their pointers.
const FREE: [&str; 12] = [
    "additionalInfo/*/info",
    "additionalInfo/*/info/value",
    "tags",
    "parameters",
    "properties/properties",
    "jobs/*/properties",
    "Runs_Get Answer /properties",
    "value/*/properties",
    "environmentVariables",
    "column_name_and_types",
    "data",
    "Swagger Answer /**",
];

static BENCH: LazyLock<Bench> = LazyLock::new(Bench::new);

struct Bench {
    documents: Documents,
    exemptions: Exemptions,
    exchanges: Vec<Exchange>,
}

/// A part of a body, and what its schema says of it.
struct Place {
    pointer: String,
    says: Says,
}

enum Says {
    /// An object that must have these.
    Object(BTreeSet<String>),
    /// One of some words.
    Word,
    /// A type.
    Type(String),
}

/// A changed exchange, and what was changed.
struct Changed {
    what: String,
    exchange: Exchange,
}

impl Bench {
    fn new() -> Self {
        let mut text = String::new();
        GzDecoder::new(EXCHANGES).read_to_string(&mut text).unwrap();
        let exchanges: Vec<Exchange> = serde_json::from_str(&text).unwrap();
        Self { documents: Documents::load().unwrap(), exemptions: Exemptions::load().unwrap(), exchanges }
    }

    fn operation(&self, exchange: &Exchange) -> String {
        let found = self.documents.find(&exchange.method, &exchange.path);
        found.map_or_else(|| exchange.path.clone(), |operation| operation.id.clone())
    }

    fn violations(&self, exchange: &Exchange) -> Vec<String> {
        let found = check(&self.documents, exchange).violations;
        let counted = found.into_iter().filter(|violation| !self.exemptions.cover(violation));
        counted.map(|found| format!("{} {:?} {}: {}", found.operation, found.side, found.place, found.what)).collect()
    }

    /// Makes changes of every exchange; gives how many there were by operation, and those that nobody noticed.
    fn unnoticed(&self, change: impl Fn(&Self, &Exchange) -> Vec<Changed>) -> (BTreeMap<String, usize>, Vec<String>) {
        let (mut counts, mut unnoticed) = (BTreeMap::new(), Vec::new());
        for exchange in &self.exchanges {
            for changed in change(self, exchange) {
                *counts.entry(self.operation(exchange)).or_default() += 1;
                if self.violations(&changed.exchange).is_empty() {
                    unnoticed.push(format!("{} {}", self.operation(exchange), changed.what));
                }
            }
        }
        (counts, unnoticed)
    }

    /// The places of both bodies of an exchange.
    fn places(&self, exchange: &Exchange) -> Vec<(Side, Place)> {
        let Some(operation) = self.documents.find(&exchange.method, &exchange.path) else { return Vec::new() };
        let schemas = self.documents.schemas_of(operation);
        let mut places = Vec::new();
        let answer = exchange.answer.as_ref().unwrap();
        let response = operation.responses.get(&answer.status.to_string());
        let response = response.or_else(|| operation.responses.get("default"));
        let bodies = [
            (Side::Request, operation.request.as_ref(), &exchange.request),
            (Side::Answer, response.and_then(|response| response.body.as_ref()), &answer.message),
        ];
        for (side, body, message) in bodies {
            let schema = body.and_then(|body| body.content.get(message.media_type()));
            if let (Some(schema), Some(value)) = (schema, message.value()) {
                let mut found = Vec::new();
                visit(schemas, schema, value, "", &mut found);
                places.extend(found.into_iter().map(|place| (side, place)));
            }
        }
        places
    }
}

/// Finds what a schema says of the parts of a value.
fn visit(schemas: &Schemas, schema: &Value, value: &Value, pointer: &str, places: &mut Vec<Place>) {
    let at = |name: &str| format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
    if let Some(name) = alias(schema) {
        return visit(schemas, &schemas[name], value, pointer, places);
    }
    match value {
        Value::Object(fields) if is_object(schema) => {
            let flat = flatten(schemas, schema);
            if let Some(discriminator) = &flat.discriminator {
                let (property, choices) = choices(discriminator);
                let chosen = choices.iter().find(|(word, _)| fields.get(property) == Some(&Value::from(*word)));
                return visit(schemas, &schemas[chosen.unwrap().1], value, pointer, places);
            }
            for (name, value) in fields {
                let schema = flat.properties.get(name).or(flat.additional.as_ref());
                visit(schemas, schema.unwrap_or(&Value::Null), value, &at(name), places);
            }
            places.push(Place { pointer: pointer.to_owned(), says: Says::Object(flat.required) });
        }
        Value::Object(fields) => {
            let schema = schema.get("additionalProperties").unwrap_or(&Value::Null);
            fields.iter().for_each(|(name, value)| visit(schemas, schema, value, &at(name), places));
        }
        Value::Array(items) => {
            let schema = schema.get("items").unwrap_or(&Value::Null);
            items.iter().enumerate().for_each(|(index, item)| {
                visit(schemas, schema, item, &at(&index.to_string()), places);
            });
        }
        Value::Null => {}
        _ if schema.get("enum").is_some() => places.push(Place { pointer: pointer.to_owned(), says: Says::Word }),
        _ => {
            if let Some(kind) = schema.get("type").and_then(Value::as_str) {
                places.push(Place { pointer: pointer.to_owned(), says: Says::Type(kind.to_owned()) });
            }
        }
    }
}

fn message_mut(exchange: &mut Exchange, side: Side) -> &mut Message {
    match side {
        Side::Request => &mut exchange.request,
        Side::Answer => &mut exchange.answer.as_mut().unwrap().message,
    }
}

/// An exchange with one value changed.
fn with(exchange: &Exchange, side: Side, pointer: &str, change: impl FnOnce(&mut Value)) -> Changed {
    let mut exchange = exchange.clone();
    change(message_mut(&mut exchange, side).value_mut().unwrap().pointer_mut(pointer).unwrap());
    Changed { what: format!("{side:?} {pointer}"), exchange }
}

/// The pointers of all objects of a value, whatever a schema says.
fn objects(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.push(pointer.to_owned());
            for (name, value) in fields {
                objects(value, &format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| objects(item, &format!("{pointer}/{index}"), found));
        }
        _ => {}
    }
}

/// Whether the last parts of a place are these; `**` stands for any.
fn is_free(free: &str, place: &str) -> bool {
    if let Some(start) = free.strip_suffix("**") {
        return place.starts_with(start);
    }
    let mut parts = place.rsplit('/');
    free.rsplit('/').all(|known| parts.next().is_some_and(|part| known == "*" || known == part))
}

#[test]
fn every_schema_of_every_operation_can_be_compiled() {
    let documents = Documents::load().unwrap();
    assert!(documents.operations().len() > 216, "{}", documents.operations().len());
    for operation in documents.operations() {
        let bodies = operation.responses.values().filter_map(|response| response.body.as_ref());
        for body in bodies.chain(operation.request.as_ref()) {
            for schema in body.content.values() {
                documents.validator(operation, schema).unwrap();
            }
        }
    }
}

#[test]
fn recorded_exchanges_are_as_the_api_says() {
    let bench = &BENCH;
    let operations: BTreeSet<String> = bench.exchanges.iter().map(|exchange| bench.operation(exchange)).collect();
    assert!(operations.len() >= 40, "{operations:?}");
    let wrong: Vec<String> = bench.exchanges.iter().flat_map(|exchange| bench.violations(exchange)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_unknown_property_is_noticed_in_every_object() {
    let bench = &BENCH;
    let (counts, unnoticed) = bench.unnoticed(|_, exchange| {
        let mut changed = Vec::new();
        for side in [Side::Request, Side::Answer] {
            let mut pointers = Vec::new();
            if let Some(value) = message_mut(&mut exchange.clone(), side).value() {
                objects(value, "", &mut pointers);
            }
            changed.extend(
                pointers
                    .iter()
                    .map(|pointer| with(exchange, side, pointer, |object| object["notOfTheApi"] = "surprise".into())),
            );
        }
        changed
    });
    let free = |what: &String| FREE.iter().any(|free| is_free(free, what));
    let open: Vec<&String> = unnoticed.iter().filter(|what| !free(what)).collect();
    assert!(open.is_empty(), "open places: {open:#?}");
    let total: usize = counts.values().sum();
    assert!(total - unnoticed.len() > 300, "{total} objects, {} of them free", unnoticed.len());
}

#[test]
fn a_missing_required_property_is_noticed() {
    let bench = &BENCH;
    let (counts, unnoticed) = bench.unnoticed(|bench, exchange| {
        let mut changed = Vec::new();
        for (side, place) in bench.places(exchange) {
            let Says::Object(required) = place.says else { continue };
            let there =
                message_mut(&mut exchange.clone(), side).value().unwrap().pointer(&place.pointer).cloned().unwrap();
            for name in required.iter().filter(|name| there.get(name.as_str()).is_some()) {
                changed.push(with(exchange, side, &place.pointer, |object| {
                    object.as_object_mut().unwrap().remove(name);
                }));
            }
        }
        changed
    });
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
    assert!(counts.values().sum::<usize>() > 200 && counts.len() > 30, "{counts:?}");
}

#[test]
fn a_wrong_word_of_an_enumeration_is_noticed() {
    let bench = &BENCH;
    let (counts, unnoticed) = bench.unnoticed(|bench, exchange| {
        let words = bench.places(exchange).into_iter().filter(|(_, place)| matches!(place.says, Says::Word));
        words.map(|(side, place)| with(exchange, side, &place.pointer, |word| *word = "NoSuchWord".into())).collect()
    });
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
    assert!(counts.values().sum::<usize>() > 100 && counts.len() > 20, "{counts:?}");
}

#[test]
fn a_word_in_another_case_is_noticed() {
    let bench = &BENCH;
    let (counts, unnoticed) = bench.unnoticed(|bench, exchange| {
        let words = bench.places(exchange).into_iter().filter(|(_, place)| matches!(place.says, Says::Word));
        let swapped = |word: &mut Value| {
            let swap = |letter: char| {
                if letter.is_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
            };
            *word = word.as_str().unwrap().chars().map(swap).collect::<String>().into();
        };
        // What has no letters has no case.
        let lettered = words.filter(|(side, place)| {
            let word = message_mut(&mut exchange.clone(), *side).value().unwrap().pointer(&place.pointer).cloned();
            word.unwrap().as_str().is_some_and(|word| word.contains(char::is_alphabetic))
        });
        lettered.map(|(side, place)| with(exchange, side, &place.pointer, swapped)).collect()
    });
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
    assert!(counts.values().sum::<usize>() > 100, "{counts:?}");
}

#[test]
fn a_wrong_type_is_noticed() {
    let bench = &BENCH;
    let (counts, unnoticed) = bench.unnoticed(|bench, exchange| {
        let mut changed = Vec::new();
        for (side, place) in bench.places(exchange) {
            let wrong = match &place.says {
                Says::Object(_) => json!("no object"),
                Says::Type(kind) if kind == "string" => json!(7),
                Says::Type(_) | Says::Word => json!({"an": "object"}),
            };
            changed.push(with(exchange, side, &place.pointer, |value| *value = wrong));
        }
        changed
    });
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
    assert!(counts.values().sum::<usize>() > 500 && counts.len() > 30, "{counts:?}");
}

#[test]
fn unknown_parameters_headers_versions_and_statuses_are_noticed() {
    let bench = &BENCH;
    let (counts, unnoticed) = bench.unnoticed(|_, exchange| {
        let mut changed = Vec::new();
        let mut change = |what: &str, change: &dyn Fn(&mut Exchange)| {
            let mut copy = exchange.clone();
            change(&mut copy);
            changed.push(Changed { what: what.to_owned(), exchange: copy });
        };
        change("parameter", &|copy| copy.query.push_str("&surprise=1"));
        change("header of the request", &|copy| _ = copy.request.headers.insert("x-surprise".into(), "1".into()));
        change("header of the answer", &|copy| {
            _ = copy.answer.as_mut().unwrap().message.headers.insert("x-surprise".into(), "1".into());
        });
        change("status", &|copy| copy.answer.as_mut().unwrap().status = 299);
        change("path", &|copy| copy.path.push_str("/surprise/is/here"));
        if exchange.request.headers.contains_key("authorization") {
            change("no token", &|copy| _ = copy.request.headers.remove("authorization"));
        }
        if exchange.query.contains("api-version=") {
            change("version", &|copy| copy.query = copy.query.replace("api-version=", "api-version=1"));
            change("no version", &|copy| copy.query = copy.query.replace("api-version=", "nothing="));
        }
        changed
    });
    // Any path below a container is a blob's.
    let blob = |what: &str| what.starts_with("Bl") && what.ends_with(" path");
    let unnoticed: Vec<&String> = unnoticed.iter().filter(|what| !blob(what)).collect();
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
    assert!(counts.len() >= 40, "{counts:?}");
}

#[test]
fn an_operation_that_can_not_be_followed_is_noticed() {
    let bench = &BENCH;
    let (counts, unnoticed) = bench.unnoticed(|_, exchange| {
        let answer = exchange.answer.as_ref().unwrap();
        let followed =
            ["azure-asyncoperation", "location"].iter().any(|name| answer.message.headers.contains_key(*name));
        if !followed || answer.status == 200 {
            return Vec::new();
        }
        let mut copy = exchange.clone();
        let headers = &mut copy.answer.as_mut().unwrap().message.headers;
        headers.remove("azure-asyncoperation");
        headers.remove("location");
        vec![Changed { what: format!("{}", answer.status), exchange: copy }]
    });
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
    assert!(counts.len() >= 3, "{counts:?}");
}

#[test]
fn what_the_operator_sends_to_nowhere_is_noticed_and_what_others_send_is_not_judged() {
    let bench = &BENCH;
    let mut exchange = bench.exchanges[0].clone();
    exchange.path = "/nowhere".to_owned();
    assert_eq!(bench.violations(&exchange).len(), 1);
    exchange.request.headers.insert("user-agent".to_owned(), "curl/8".to_owned());
    assert!(bench.violations(&exchange).is_empty());
}
