//! One exchange against the documents.

use serde_json::Value;

use super::document::{Body, Documents, Operation, Parameter, Response};
use super::exchange::{Answer, Exchange, Message};
use super::headers;

/// Longer descriptions help nobody.
const LONGEST: usize = 240;

/// What a violation is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// What was sent.
    Request,
    /// What came back.
    Answer,
}

/// Something that is not as the API says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The operation.
    pub operation: String,
    /// On which side.
    pub side: Side,
    /// Where: a JSON pointer into the body, or the name of a header or a parameter.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

/// What was checked of an exchange, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Checked {
    /// The operation; none where it is not ours to judge.
    pub operation: Option<String>,
    /// Whether the request was checked.
    pub request: bool,
    /// Whether the answer was checked.
    pub answer: bool,
    /// What is wrong.
    pub violations: Vec<Violation>,
}

impl Side {
    /// As exemptions spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Answer => "answer",
        }
    }
}

/// Checks an exchange: all that the operator sends and gets; of others, what the emulator answers them at the api-version
/// that the documents are of. What a fault answers is not the emulator's.
#[must_use]
pub fn check(documents: &Documents, exchange: &Exchange) -> Checked {
    let ours = exchange.is_of_the_operator();
    let Some(operation) = documents.find(&exchange.method, &exchange.path) else {
        let mut checked = Checked::default();
        if ours {
            let operation = format!("{} {}", exchange.method, exchange.path);
            let what = "no document has an operation for it".to_owned();
            checked.violations.push(Violation { operation, side: Side::Request, place: "path".to_owned(), what });
        }
        return checked;
    };
    let mut checker = Checker { documents, operation, side: Side::Request, violations: Vec::new() };
    let spoken = |parameter: &Parameter| {
        let sent = exchange.query_pairs().into_iter().find(|(name, _)| *name == parameter.name);
        sent.is_some_and(|(_, value)| checker.parameter_fault(parameter, &value).is_none())
    };
    let version = operation.parameters.iter().find(|parameter| parameter.name == "api-version");
    if !ours && !version.is_none_or(spoken) {
        return Checked::default();
    }
    if ours {
        checker.request(exchange);
    }
    let answer = exchange.answer.as_ref().filter(|_| !exchange.ordered);
    if let Some(answer) = answer {
        checker.side = Side::Answer;
        checker.answer(exchange, answer);
    }
    Checked {
        operation: Some(operation.id.clone()),
        request: ours,
        answer: answer.is_some(),
        violations: checker.violations,
    }
}

struct Checker<'a> {
    documents: &'a Documents,
    operation: &'a Operation,
    side: Side,
    violations: Vec<Violation>,
}

impl Checker<'_> {
    fn wrong(&mut self, place: impl Into<String>, what: impl Into<String>) {
        let what: String = what.into().chars().take(LONGEST).collect();
        let operation = self.operation.id.clone();
        self.violations.push(Violation { operation, side: self.side, place: place.into(), what });
    }

    fn request(&mut self, exchange: &Exchange) {
        self.parameters(&exchange.query_pairs(), false);
        for (place, what) in headers::of_request(self.operation, exchange) {
            self.wrong(place, what);
        }
        match (&self.operation.request, exchange.request.length) {
            (None, 0) => {}
            (None, _) => self.wrong("body", "it has none"),
            (Some(body), 0) if body.required => self.wrong("body", "it is missing"),
            (Some(_), 0) => {}
            (Some(body), _) => self.body(body, &exchange.request),
        }
    }

    fn answer(&mut self, exchange: &Exchange, answer: &Answer) {
        let status = answer.status.to_string();
        let operation = self.operation;
        let declared = operation.responses.get(&status);
        let response = declared.or_else(|| operation.responses.get("default").filter(|_| answer.status >= 400));
        let Some(response) = response else {
            return self.wrong("status", format!("{status} is none of {:?}", operation.responses.keys()));
        };
        for (place, what) in headers::of_answer(operation, response, exchange, answer) {
            self.wrong(place, what);
        }
        self.answered_body(response, exchange, answer);
    }

    fn answered_body(&mut self, response: &Response, exchange: &Exchange, answer: &Answer) {
        let empty = answer.message.length == 0 || exchange.method == "HEAD";
        match &response.body {
            None if empty => {}
            None => self.wrong("body", format!("{} has none", answer.status)),
            Some(_) if exchange.method == "HEAD" => {}
            Some(body) if empty && body.content.contains_key("*/*") => {}
            Some(_) if empty => self.wrong("body", format!("{} has one", answer.status)),
            Some(body) => self.body(body, &answer.message),
        }
    }

    fn body(&mut self, body: &Body, message: &Message) {
        let kind = message.media_type().to_ascii_lowercase();
        let Some(schema) = body.content.get(&kind) else {
            if !body.content.contains_key("*/*") {
                self.wrong("content-type", format!("{kind:?} is none of {:?}", body.content.keys()));
            }
            return;
        };
        if schema.as_object().is_some_and(serde_json::Map::is_empty) {
            return;
        }
        let Some(value) = message.value() else {
            return self.wrong("body", format!("{} bytes that can't be read as {kind}", message.length));
        };
        for (place, what) in self.faults(schema, value) {
            self.wrong(place, what);
        }
    }

    /// What is wrong with a value.
    fn faults(&self, schema: &Value, value: &Value) -> Vec<(String, String)> {
        let validator = match self.documents.validator(self.operation, schema) {
            Ok(validator) => validator,
            Err(failure) => return vec![("schema".to_owned(), failure.to_string())],
        };
        let faults = validator.iter_errors(value);
        faults.map(|fault| (fault.instance_path().to_string(), fault.to_string())).collect()
    }

    fn parameters(&mut self, sent: &[(String, String)], header: bool) {
        let operation = self.operation;
        for (name, value) in sent {
            let known = operation.parameters.iter().find(|known| known.header == header && known.name == *name);
            match known.map(|known| self.parameter_fault(known, value)) {
                None => self.wrong(format!("query {name}"), "no such parameter is known"),
                Some(Some(what)) => self.wrong(format!("query {name}"), what),
                Some(None) => {}
            }
        }
        for known in operation.parameters.iter().filter(|known| known.required && known.header == header) {
            if !sent.iter().any(|(name, _)| *name == known.name) {
                self.wrong(format!("query {}", known.name), "it is missing");
            }
        }
    }

    fn parameter_fault(&self, parameter: &Parameter, text: &str) -> Option<String> {
        let typed = match parameter.schema["type"].as_str() {
            Some("integer" | "number" | "boolean") => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
            _ => Value::from(text),
        };
        self.faults(&parameter.schema, &typed).into_iter().next().map(|(_, what)| what)
    }
}
