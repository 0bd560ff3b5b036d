//! Schedules: a trigger, and the job that it submits, baked in.

use super::{Answer, Arm, names};
use crate::online::Fate;
use crate::online::rules::Refusal;
use crate::schedules::fire;
use crate::schedules::trigger::Trigger;
use crate::surface::{Follow, Reply};
use crate::tags;
use serde_json::{Value, json};

/// Prefix of a schedule's operation ids.
const OF_SCHEDULE: &str = "scidp:";

impl Arm<'_> {
    pub(super) fn schedules(&self) -> Answer {
        self.allowed()?;
        match (self.call.method.as_str(), self.call.segment(1)) {
            ("GET", "") => self.list_schedules(),
            ("GET", name) => {
                let known = self.estate.world().resource(&self.id()).cloned();
                let missing = || Refusal { code: "UserError", ..Refusal::not_found("schedule", name) };
                known.map(Reply::ok).ok_or_else(missing)
            }
            ("PUT", name) => self.put_schedule(name),
            ("POST", name) if self.call.segment(2).eq_ignore_ascii_case("trigger") => self.trigger_schedule(name),
            ("DELETE", _) => self.delete_schedule(),
            _ => Ok(Reply::not_allowed()),
        }
    }

    fn list_schedules(&self) -> Answer {
        let view = self.call.text("listviewtype").unwrap_or("EnabledOnly").to_ascii_lowercase();
        let world = self.estate.world();
        let wanted = |schedule: &&Value| {
            let enabled = schedule.pointer("/properties/isEnabled") == Some(&Value::Bool(true));
            match view.as_str() {
                "all" => true,
                "disabledonly" => !enabled,
                _ => enabled,
            }
        };
        let found = world.members(&self.id()).into_iter().filter(wanted).cloned().collect();
        Ok(Reply::ok(self.call.page(found, 100)))
    }

    fn put_schedule(&self, name: &str) -> Answer {
        names::asset("schedule", name)?;
        let given = self.call.body.get("properties").and_then(Value::as_object).cloned();
        let mut properties = given.ok_or_else(|| Refusal::bad("The body has no properties."))?;
        tags::own(&properties).map_err(Refusal::bad)?;
        let trigger = properties.get("trigger").cloned().unwrap_or_default();
        Trigger::parse(&trigger).map_err(|error| Refusal::bad(error.to_string()))?;
        let job = properties.get("action").and_then(|action| action.get("jobDefinition"));
        if !job.is_some_and(Value::is_object) {
            return Err(Refusal::bad("The action has no jobDefinition: CreateJob is the action that is known here."));
        }
        properties.entry("isEnabled").or_insert(Value::Bool(true));
        for field in ["tags", "properties"] {
            properties.entry(field).or_insert_with(|| json!({}));
        }
        let id = self.id();
        let mut world = self.estate.world();
        let known = world.resource(&id).cloned();
        known.as_ref().map_or(Ok(()), |known| self.free(known))?;
        let state = if known.is_some() { "Updating" } else { "Creating" };
        properties.insert("provisioningState".to_owned(), Value::from(state));
        let made = json!({
            "id": id, "name": name, "type": super::resource_type(&id), "properties": properties,
            "systemData": self.system_data(known.as_ref()),
        });
        world.put_resource(&id, made.clone());
        drop(world);
        let status = if known.is_some() { 200 } else { 201 };
        let begun = self.begin(OF_SCHEDULE, Follow::AsyncOperation, move |estate, fate| {
            let mut world = estate.world();
            match (fate, known) {
                (Fate::Revert, Some(before)) => world.put_resource(&id, before),
                (fate, _) => {
                    let state = if matches!(fate, Fate::Fail { .. }) { "Failed" } else { "Succeeded" };
                    if let Some(known) = world.resource_mut(&id) {
                        known["properties"]["provisioningState"] = Value::from(state);
                    }
                }
            }
        });
        Ok(Reply { status, body: made, begun: Some(begun) })
    }

    /// Submits the job of an enabled schedule once, beside its times (api-version 2024-01-01-preview).
    fn trigger_schedule(&self, name: &str) -> Answer {
        let id = self.id().rsplit_once('/').map(|(schedule, _)| schedule.to_owned()).unwrap_or_default();
        let known = self.estate.world().resource(&id).cloned();
        let known = known.ok_or_else(|| Refusal { code: "UserError", ..Refusal::not_found("schedule", name) })?;
        if known.pointer("/properties/isEnabled") != Some(&Value::Bool(true)) {
            return Err(Refusal::bad(format!("The schedule {name} is disabled.")));
        }
        let job = known.pointer("/properties/action/jobDefinition").and_then(Value::as_object);
        let job = job.map(|job| fire::named(job, name)).unwrap_or_default();
        let submission = format!("{name}-{}", self.estate.clock.now().strftime("%Y%m%dT%H%M%SZ"));
        let jobs = &self.routes.plane.jobs;
        jobs.put(&self.call.workspace, &submission, job, &self.claims.oid, self.incoming.orders.job.clone())
            .map_err(|error| Refusal::bad(error.to_string()))?;
        Ok(Reply::ok(json!({"scheduleActionType": "CreateJob", "submissionId": submission})))
    }

    fn delete_schedule(&self) -> Answer {
        let id = self.id();
        let world = self.estate.world();
        let Some(known) = world.resource(&id) else { return Ok(Reply::empty(204)) };
        if known.pointer("/properties/isEnabled") == Some(&Value::Bool(true)) {
            return Err(Refusal::bad("The schedule is enabled: disable it first."));
        }
        self.free(known)?;
        drop(world);
        let begun = self.begin(OF_SCHEDULE, Follow::Location, move |estate, fate| {
            if *fate == Fate::Proceed {
                estate.world().delete_resource(&id);
            }
        });
        Ok(Reply { status: 202, body: Value::Null, begun: Some(begun) })
    }
}
