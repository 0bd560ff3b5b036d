//! An object that does not read as its kind (its definition was changed, or it was stored by another release): its status
//! says so, and everything else goes on.

use azureml_crds::{AmlResource, conditions, reasons};
use jiff::Timestamp;
use kube::api::{Api, ApiResource, DynamicObject, ObjectMeta, Patch, PatchParams};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::Error;

/// Says it once: the write comes back by the watch, and must not lead to another one.
pub async fn report<K: AmlResource>(context: &Context, metadata: &ObjectMeta, error: &str) -> Result<(), Error> {
    let (Some(name), Some(namespace)) = (&metadata.name, &metadata.namespace) else { return Ok(()) };
    let kind = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), namespace, &kind);
    let Some(live) = api.get_opt(name).await? else { return Ok(()) };
    let present = live.data.pointer("/status/conditions").unwrap_or(&Value::Null);
    let Some(wanted) = said(present, metadata.generation, error, context.now()) else { return Ok(()) };
    context.check_leads()?;
    let patch = json!({"status": {"conditions": wanted}});
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

/// The conditions that tell of it; `None` where they stand there already.
fn said(present: &Value, generation: Option<i64>, error: &str, now: Timestamp) -> Option<Value> {
    let condition = |kind: &str, status: &str| {
        let mut condition = json!({
            "type": kind, "status": status, "reason": reasons::INVALID_SPEC, "observedGeneration": generation,
            "message": format!("The object can't be read: {error}. Correct the field it names."),
        });
        let before = present.as_array().into_iter().flatten().find(|before| before["type"] == kind);
        let since =
            before.filter(|before| before["status"] == status).map(|before| before["lastTransitionTime"].clone());
        condition["lastTransitionTime"] = since.unwrap_or_else(|| json!(now.to_string()));
        condition
    };
    let wanted = json!([condition(conditions::READY, "False"), condition(conditions::STALLED, "True")]);
    (*present != wanted).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_once_for_each_fault() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let first = said(&Value::Null, Some(1), "spec.type: unknown variant", at(100)).unwrap();
        assert_eq!(first[0]["type"], "Ready");
        assert!(first[1]["message"].as_str().unwrap().contains("spec.type: unknown variant"));
        assert_eq!(said(&first, Some(1), "spec.type: unknown variant", at(200)), None);
        let second = said(&first, Some(2), "spec.source: missing", at(200)).unwrap();
        assert_eq!(second[0]["lastTransitionTime"], first[0]["lastTransitionTime"], "it is stalled as before");
    }
}
