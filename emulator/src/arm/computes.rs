//! Computes: training clusters.

use super::{Answer, Arm, envelope, names, nodes};
use crate::online::Fate;
use crate::online::rules::Refusal;
use crate::operations::OF_COMPUTE;
use crate::surface::{Follow, Reply};
use crate::tags;
use serde_json::{Map, Value, json};

impl Arm<'_> {
    pub(super) fn computes(&self) -> Answer {
        self.allowed()?;
        match (self.call.method.as_str(), self.call.segment(1), self.call.segment(2).to_ascii_lowercase().as_str()) {
            ("GET", "", _) => {
                let found: Vec<Value> = self.estate.world().members(&self.id()).into_iter().cloned().collect();
                Ok(Reply::ok(self.call.page(found.into_iter().map(|known| self.with_nodes(known)).collect(), 100)))
            }
            ("GET", _, "") => {
                let known = self.estate.world().resource(&self.id()).cloned();
                known.map(|known| Reply::ok(self.with_nodes(known))).ok_or_else(|| self.no_compute())
            }
            ("PUT", name, "") => self.put_compute(name),
            ("PATCH", _, "") => self.patch_compute(),
            ("DELETE", _, "") => self.delete_compute(),
            ("POST", name, "listnodes") => {
                let id = format!("{}/computes/{name}", self.call.workspace);
                let known = self.estate.world().resource(&id).cloned();
                known.map(|known| Reply::ok(self.list_nodes(&known))).ok_or_else(|| self.no_compute())
            }
            ("POST", _, "start" | "stop" | "restart") => Ok(Reply::empty(202)),
            _ => Ok(Reply::not_allowed()),
        }
    }

    fn no_compute(&self) -> Refusal {
        let name = self.call.segment(1);
        Refusal {
            status: 404,
            code: "ComputeNotFound",
            message: format!("The specified compute {name} could not be found."),
        }
    }

    fn put_compute(&self, name: &str) -> Answer {
        names::compute(name)?;
        let body = self.call.fields();
        tags::tracked(&body)?;
        let properties = body.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        check(&properties)?;
        let id = self.id();
        let mut world = self.estate.world();
        let known = world.resource(&id).cloned();
        if let Some(known) = &known {
            self.free(known)?;
            unchanged(known, &properties)?;
        }
        let region = world.resource(&self.call.workspace).and_then(|known| known.get("location")).cloned();
        let mut made = json!({
            "id": id, "name": name, "type": "Microsoft.MachineLearningServices/workspaces/computes",
            "location": region, "tags": {}, "properties": properties,
            "systemData": self.system_data(known.as_ref()),
        });
        if let Some(fields) = made.as_object_mut() {
            fields.extend(envelope(&body, &["location", "tags", "identity", "sku"]));
        }
        let now = self.estate.clock.now().to_string();
        let created = known.as_ref().and_then(|known| known.pointer("/properties/createdOn")).cloned();
        for (field, value) in [
            ("provisioningState", Value::from(if known.is_some() { "Updating" } else { "Creating" })),
            ("provisioningErrors", Value::Null),
            ("createdOn", created.unwrap_or_else(|| Value::from(now.as_str()))),
            ("modifiedOn", Value::from(now.as_str())),
            ("isAttachedCompute", Value::from(false)),
            ("computeLocation", made["location"].clone()),
        ] {
            made["properties"][field] = value;
        }
        keep(&mut made);
        world.put_resource(&id, made.clone());
        drop(world);
        let region = made.get("location").and_then(Value::as_str).unwrap_or_default();
        let short = self.short_of(region, &made);
        let made = self.with_nodes(made);
        let (created, key) = (known.is_none(), id);
        let begun = self.begin_unless(short, OF_COMPUTE, Follow::AsyncOperation, move |estate, fate| {
            let mut world = estate.world();
            match (fate, known) {
                (Fate::Revert, Some(before)) => world.put_resource(&key, before),
                (fate, _) => {
                    if let Some(known) = world.resource_mut(&key) {
                        settle(known, fate);
                    }
                }
            }
        });
        Ok(Reply { status: if created { 201 } else { 200 }, body: made, begun: Some(begun) })
    }

    fn patch_compute(&self) -> Answer {
        let id = self.id();
        let mut world = self.estate.world();
        let modified = self.estate.clock.now().to_string();
        let scale = self.call.body.pointer("/properties/properties/scaleSettings").cloned();
        if let Some(scale) = &scale {
            check_scale(scale)?;
        }
        let known = world.resource_mut(&id).ok_or_else(|| self.no_compute())?;
        self.free(known)?;
        if let Some(scale) = scale.as_ref().and_then(Value::as_object) {
            for (field, value) in scale {
                known["properties"]["properties"]["scaleSettings"][field.as_str()] = value.clone();
            }
        }
        keep(known);
        known["properties"]["modifiedOn"] = Value::from(modified);
        let failed = matches!(self.incoming.orders.fate, Fate::Fail { .. });
        known["properties"]["provisioningState"] = Value::from(if failed { "Failed" } else { "Succeeded" });
        let known = known.clone();
        drop(world);
        Ok(Reply::ok(self.with_nodes(known)))
    }

    fn delete_compute(&self) -> Answer {
        let action = self.call.text("underlyingresourceaction").unwrap_or_default().to_ascii_lowercase();
        if !["delete", "detach"].contains(&action.as_str()) {
            return Err(Refusal::bad("The query parameter underlyingResourceAction is required: Delete or Detach."));
        }
        let id = self.id();
        let mut world = self.estate.world();
        let Some(known) = world.resource_mut(&id) else { return Ok(Reply::empty(204)) };
        self.free(known)?;
        known["properties"]["provisioningState"] = Value::from("Deleting");
        drop(world);
        let (plane, workspace) = (self.routes.plane.clone(), self.call.workspace.clone());
        let begun = self.begin(OF_COMPUTE, Follow::Both, move |estate, fate| {
            if *fate == Fate::Proceed {
                let name = id.rsplit('/').next().unwrap_or_default();
                nodes::lose(plane.jobs.runs(), &workspace, name, estate.clock.now());
            }
            let mut world = estate.world();
            if *fate == Fate::Proceed {
                world.delete_resource(&id);
            } else if let Some(known) = world.resource_mut(&id) {
                settle(known, fate);
            }
        });
        Ok(Reply { status: 202, body: Value::Null, begun: Some(begun) })
    }
}

fn check(properties: &Map<String, Value>) -> Result<(), Refusal> {
    let kind = properties.get("computeType").and_then(Value::as_str).unwrap_or_default();
    if !kind.eq_ignore_ascii_case("AmlCompute") {
        return Err(Refusal::bad(format!("The computeType '{kind}' is not made here: AmlCompute is.")));
    }
    let own = properties.get("properties");
    let size = own.and_then(|own| own.get("vmSize")).and_then(Value::as_str).unwrap_or_default();
    if size.is_empty() {
        return Err(Refusal::bad("properties.properties.vmSize is required, such as Standard_DS3_v2."));
    }
    own.and_then(|own| own.get("scaleSettings")).map_or(Ok(()), check_scale)
}

fn check_scale(scale: &Value) -> Result<(), Refusal> {
    let number = |field: &str| scale.get(field).and_then(Value::as_i64);
    let (least, most) = (number("minNodeCount").unwrap_or(0), number("maxNodeCount").unwrap_or(1));
    if least < 0 || most < least {
        return Err(Refusal::bad(format!("scaleSettings: minNodeCount is {least} and maxNodeCount {most}.")));
    }
    Ok(())
}

/// A cluster's machines can't be changed.
fn unchanged(known: &Value, given: &Map<String, Value>) -> Result<(), Refusal> {
    for field in ["vmSize", "vmPriority"] {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_ascii_lowercase);
        let before = text(known.pointer(&format!("/properties/properties/{field}")));
        let after = text(given.get("properties").and_then(|own| own.get(field)));
        if let (Some(before), Some(after)) = (before, after)
            && before != after
        {
            return Err(Refusal::bad(format!("The {field} of a compute can't be changed: it is {before}.")));
        }
    }
    Ok(())
}

/// The nodes that are kept whether there is work or not: what counts for the quota.
fn keep(known: &mut Value) {
    let own = &mut known["properties"]["properties"];
    let least = own.pointer("/scaleSettings/minNodeCount").and_then(Value::as_i64).unwrap_or(0);
    own["currentNodeCount"] = Value::from(least);
}

fn settle(known: &mut Value, fate: &Fate) {
    match fate {
        Fate::Fail { code, message } => {
            known["properties"]["provisioningState"] = Value::from("Failed");
            known["properties"]["provisioningErrors"] = json!([{"error": {"code": code, "message": message}}]);
        }
        Fate::Proceed | Fate::Revert => known["properties"]["provisioningState"] = Value::from("Succeeded"),
    }
}
