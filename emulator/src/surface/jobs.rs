//! ARM's `jobs`.

use super::lists::has_all;
use super::{Call, Plane, Reply};
use crate::jobs::submit::{Accepted, SubmitError};
use crate::online::rules::Refusal;
use crate::run_history::run::{Run, RunKind};
use serde_json::{Value, json};

impl Plane {
    pub(super) fn arm_jobs(&self, call: &Call) -> Reply {
        let (name, action) = (call.segment(1), call.segment(2).to_ascii_lowercase());
        match (call.method.as_str(), name, action.as_str()) {
            ("GET", "", _) => self.list_jobs(call),
            ("GET", _, "") => match self.jobs.runs().get(&call.workspace, name) {
                Some(run) => Reply::ok(self.show_job(call, &run)),
                None => missing(name),
            },
            ("PUT", _, "") => self.put_job(call, name),
            ("DELETE", _, "") => self.delete_job(call, name),
            ("POST", _, "cancel") => self.cancel_job(call, name),
            _ => Reply::not_allowed(),
        }
    }

    fn show_job(&self, call: &Call, run: &Run) -> Value {
        self.jobs.show(&self.arm_id(call), run, &self.addresses(call))
    }

    fn put_job(&self, call: &Call, name: &str) -> Reply {
        let good = name.len() <= 255
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !good {
            return Reply::refused(&Refusal::bad(format!(
                "The job name '{name}' is not valid: up to 255 letters, digits, hyphens and underscores, a letter or digit first."
            )));
        }
        let Some(properties) = call.body.get("properties").and_then(Value::as_object) else {
            return Reply::refused(&Refusal::bad("The body has no properties."));
        };
        match self.jobs.put(&call.workspace, name, properties.clone(), &call.principal, call.job.clone()) {
            Ok(Accepted { created, run }) => {
                let status = if created { 201 } else { 200 };
                Reply { status, body: self.show_job(call, &run), begun: None }
            }
            Err(error) => {
                let status = if matches!(error, SubmitError::Immutable { .. }) { 409 } else { 400 };
                Reply::refused(&Refusal { status, code: "UserError", message: error.to_string() })
            }
        }
    }

    fn delete_job(&self, call: &Call, name: &str) -> Reply {
        let Some(run) = self.jobs.runs().get(&call.workspace, name) else { return Reply::empty(204) };
        if !run.status.is_terminal() {
            return Reply::refused(&Refusal::conflict(format!("The job {name} is under way: cancel it first.")));
        }
        self.jobs.runs().remove(&call.workspace, name);
        Reply::empty(200)
    }

    fn cancel_job(&self, call: &Call, name: &str) -> Reply {
        match self.jobs.runs().get(&call.workspace, name) {
            None => missing(name),
            Some(run) if run.status.is_terminal() => Reply::refused(&Refusal {
                status: 400,
                code: "UserError",
                message: format!(
                    "The job {name} has ended with the status {}: it can't be canceled.",
                    run.status.name()
                ),
            }),
            Some(_) => {
                self.jobs.runs().cancel(&call.workspace, name, self.jobs.ground().now());
                Reply::empty(200)
            }
        }
    }

    fn list_jobs(&self, call: &Call) -> Reply {
        let kind = call.text("jobtype").and_then(crate::jobs::kind_of);
        let tag = call.text("tag");
        let view = call.text("listviewtype").unwrap_or("ActiveOnly").to_ascii_lowercase();
        let wanted = |run: &Run| {
            run.job.is_some()
                && kind.is_none_or(|kind: RunKind| run.kind == kind)
                && tag.is_none_or(|tag| has_tag(run, tag))
                && has_all(Some(&json!(run.properties)), call.text("properties"))
                && match view.as_str() {
                    "all" => true,
                    "archivedonly" => run.archived,
                    _ => !run.archived,
                }
        };
        let found = self.jobs.runs().find(&call.workspace, wanted);
        let shown = found.iter().map(|run| self.show_job(call, run)).collect();
        Reply::ok(call.page(shown, 100))
    }
}

/// `tag` is a name, or `name=value`.
fn has_tag(run: &Run, tag: &str) -> bool {
    match tag.split_once('=') {
        Some((name, value)) => run.tags.get(name).is_some_and(|known| known == value),
        None => run.tags.contains_key(tag),
    }
}

fn missing(name: &str) -> Reply {
    Reply::refused(&Refusal { status: 404, code: "UserError", message: format!("The job {name} was not found.") })
}
