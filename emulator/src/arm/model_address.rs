//! Where a registered model lies, and what its files tell of it.

use crate::run_history::run::Location;
use serde_json::{Map, Value, json};

/// The job whose output an address is.
pub(super) fn job_of(uri: &str) -> Option<&str> {
    let rest = uri.strip_prefix("azureml://jobs/").or_else(|| uri.strip_prefix("runs:/"))?;
    rest.split('/').next().filter(|job| !job.is_empty())
}

/// A place by the name of the datastore that it is in, in the long form in which the service shows it.
pub(super) fn in_datastore(stores: &[Value], place: &Location) -> Option<String> {
    let text = |store: &Value, field: &str| store.pointer(field).and_then(Value::as_str).map(str::to_owned);
    let holds = |store: &&Value| {
        text(store, "/properties/accountName").is_some_and(|account| account.eq_ignore_ascii_case(&place.account))
            && text(store, "/properties/containerName").as_deref() == Some(&place.container)
    };
    let id = text(stores.iter().find(holds)?, "/id")?;
    let parts: Vec<&str> = id.split('/').filter(|part| !part.is_empty()).collect();
    let ["subscriptions" | "Subscriptions", subscription, _, group, _, _, _, workspace, _, store] = parts.as_slice()
    else {
        return None;
    };
    let path = place.path.trim_matches('/');
    Some(format!(
        "azureml://subscriptions/{subscription}/resourceGroups/{group}/workspaces/{workspace}/datastores/{store}/paths/{path}"
    ))
}

/// The flavors that an MLmodel file lists, with what it says of each in text.
pub(super) fn flavors(ml_model: &str) -> Value {
    let file: Value = serde_saphyr::from_str(ml_model).unwrap_or_default();
    let listed = file.get("flavors").and_then(Value::as_object).into_iter().flatten();
    let told = |says: &Value| -> Map<String, Value> {
        let says = says.as_object().into_iter().flatten();
        says.filter(|(_, value)| value.is_string()).map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    Value::Object(listed.map(|(name, says)| (name.clone(), json!({"data": told(says)}))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jobs_output_is_told_by_its_job_and_its_datastore() {
        for (uri, job) in [
            ("azureml://jobs/j_0/outputs/artifacts/paths/outputs/mlflow-model/", Some("j_0")),
            ("runs:/j_0/outputs/mlflow-model", Some("j_0")),
            ("azureml://datastores/d/paths/x", None),
        ] {
            assert_eq!(job_of(uri), job, "{uri}");
        }
        let store = json!({"id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.X/workspaces/w/datastores/d",
            "properties": {"accountName": "acct", "containerName": "azureml"}});
        let place =
            |container: &str| Location { account: "acct".into(), container: container.into(), path: "a/b/".into() };
        let address = "azureml://subscriptions/s/resourceGroups/g/workspaces/w/datastores/d/paths/a/b";
        assert_eq!(in_datastore(std::slice::from_ref(&store), &place("azureml")).as_deref(), Some(address));
        assert_eq!(in_datastore(&[store], &place("other")), None);
    }

    #[test]
    fn flavors_are_read_of_yaml_and_of_json() {
        for file in [
            "flavors:\n  python_function:\n    loader_module: m\n    n: 1\n",
            r#"{"flavors": {"python_function": {"loader_module": "m"}}}"#,
        ] {
            assert_eq!(flavors(file), json!({"python_function": {"data": {"loader_module": "m"}}}), "{file}");
        }
        assert_eq!(flavors("nothing"), json!({}));
    }
}
