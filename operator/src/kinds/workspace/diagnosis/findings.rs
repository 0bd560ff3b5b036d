//! From what Azure says to conditions. Pure.

use azureml::resources::permissions::Permission;
use azureml_crds::{AmlResource, AmlWorkspace, conditions, reasons};

use super::demand::{Demand, Needed, needed};
use super::facts::{Fact, Facts, Storage};
use super::quota::{Lack, lacks};
use crate::shell::Extra;

/// How many actions, or lacks, are named.
const NAMED: usize = 6;

/// All that can be said.
#[must_use]
pub fn findings(object: &AmlWorkspace, facts: &Facts, insights: Option<&str>, demand: &Demand) -> Vec<Extra> {
    [
        provider(object, facts),
        roles(object, facts, demand),
        quota(object, facts, demand),
        storage(facts),
        logs(object, facts, insights, demand),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The subscription is not registered: nothing can be made in it.
#[must_use]
pub fn unregistered(findings: &[Extra]) -> Option<&Extra> {
    findings.iter().find(|one| one.kind == conditions::PROVIDER_REGISTERED && one.status == Some(false))
}

fn fine(kind: &'static str, message: impl Into<String>) -> Option<Extra> {
    Some(Extra::new(kind, true, reasons::SUCCEEDED, message))
}

fn untold(kind: &'static str, why: &str) -> Option<Extra> {
    let message = format!(
        "Azure does not tell the workspace's identity: {}. With the role Reader on the subscription it is found out.",
        why.trim_end_matches('.')
    );
    Some(Extra::new(kind, None, reasons::NOT_KNOWN, message))
}

fn provider(object: &AmlWorkspace, facts: &Facts) -> Option<Extra> {
    let kind = conditions::PROVIDER_REGISTERED;
    let provider = match &facts.provider {
        Fact::Unread => return None,
        Fact::Untold(why) => return untold(kind, why),
        Fact::Known(provider) => provider,
    };
    let state = provider.as_ref().map_or("not known to Azure", |provider| provider.registration_state.as_str());
    if state.eq_ignore_ascii_case("Registered") {
        return fine(kind, "The subscription is registered for Microsoft.MachineLearningServices.");
    }
    let subscription = &object.spec.subscription_id;
    let message = if state.eq_ignore_ascii_case("Registering") {
        format!(
            "Subscription {subscription} is being registered for Microsoft.MachineLearningServices; that takes minutes."
        )
    } else {
        format!(
            "Subscription {subscription} is {state} for Microsoft.MachineLearningServices: nothing of Azure ML can be made in it. Register it (az provider register --namespace Microsoft.MachineLearningServices --subscription {subscription}); it is looked at again."
        )
    };
    Some(Extra::new(kind, false, reasons::PROVIDER_NOT_REGISTERED, message))
}

fn roles(object: &AmlWorkspace, facts: &Facts, demand: &Demand) -> Option<Extra> {
    let kind = conditions::ROLES_SUFFICIENT;
    let permissions = match &facts.permissions {
        Fact::Unread => return None,
        Fact::Untold(why) => return untold(kind, why),
        Fact::Known(permissions) => permissions,
    };
    let missing = missing(permissions, needed(object, demand));
    if missing.is_empty() {
        return fine(
            kind,
            "The workspace's identity may do all that the spec and the objects of the workspace ask for.",
        );
    }
    let words: Vec<String> =
        missing.iter().take(NAMED).map(|one| format!("{} ({})", one.action, one.because)).collect();
    let more = missing.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let scope = if facts.exists { "the workspace" } else { "the resource group" };
    let message = format!(
        "The workspace's identity may not do {}{more}. Give it the role {} on {scope} (az role assignment create); a new assignment takes up to 10 minutes to work.",
        words.join(", "),
        role_for(&missing),
    );
    Some(Extra::new(kind, false, reasons::ROLE_MISSING, message))
}

fn missing(permissions: &[Permission], needed: Vec<Needed>) -> Vec<Needed> {
    needed.into_iter().filter(|one| !permissions.iter().any(|permission| permission.gives(&one.action))).collect()
}

/// The least of the built-in roles that help.
fn role_for(missing: &[Needed]) -> &'static str {
    let shares = missing.iter().any(|one| one.action.starts_with("Microsoft.Authorization/"));
    let (own, others): (Vec<&Needed>, Vec<&Needed>) = missing
        .iter()
        .filter(|one| !one.action.starts_with("Microsoft.Authorization/"))
        .partition(|one| one.action.contains("/computes/") || one.action.matches('/').count() == 2);
    let manages = own.iter().any(|one| !one.action.ends_with("/read"));
    match (shares, manages, others.is_empty()) {
        (true, false, true) => "User Access Administrator",
        (true, ..) => "Owner, or Contributor and User Access Administrator,",
        (false, true, _) => "Contributor",
        (false, false, _) => "AzureML Data Scientist (or Contributor)",
    }
}

fn quota(object: &AmlWorkspace, facts: &Facts, demand: &Demand) -> Option<Extra> {
    let kind = conditions::QUOTA_SUFFICIENT;
    if demand.machines.is_empty() {
        object.condition(kind)?;
        return Some(Extra::new(kind, true, reasons::NOT_NEEDED, "No object of the workspace asks for machines."));
    }
    let (usages, sizes) = match (&facts.usages, &facts.sizes) {
        (Fact::Untold(why), _) | (_, Fact::Untold(why)) => return untold(kind, why),
        (Fact::Known(usages), Fact::Known(sizes)) => (usages, sizes),
        _ => return None,
    };
    let lacks = lacks(demand, sizes, usages);
    let Some(first) = lacks.first() else {
        return fine(
            kind,
            "The subscription's quota allows all machines that the objects of the workspace may come to have.",
        );
    };
    let reason = match first {
        Lack::Size { .. } => reasons::SIZE_NOT_OFFERED,
        Lack::Cores { .. } => reasons::QUOTA_EXCEEDED,
    };
    let words: Vec<String> = lacks.iter().take(NAMED).map(ToString::to_string).collect();
    let message = format!(
        "{}. Ask for fewer machines or another size, or raise the quota (the studio's page Quota).",
        words.join("; ")
    );
    Some(Extra::new(kind, false, reason, message))
}

fn storage(facts: &Facts) -> Option<Extra> {
    let kind = conditions::STORAGE_REACHABLE;
    let storage = match &facts.storage {
        Fact::Unread => return None,
        Fact::Untold(why) => return untold(kind, why),
        Fact::Known(storage) => storage,
    };
    let (reason, message) = match storage {
        Storage::Reached(_) => return fine(kind, "The workspace's default datastore answers."),
        Storage::NoDatastore => (
            reasons::DATASTORE_MISSING,
            "The workspace has no default datastore: data, code and models have no place to go to. Make one in the studio (Data, Datastores: set as default), or repair workspaceblobstore.".to_owned(),
        ),
        Storage::Unreached(why) => (
            reasons::STORAGE_UNREACHABLE,
            format!("The workspace's default datastore does not answer: {why}. Look at the storage account's firewall and at the account itself; the operator needs to reach it for data and code."),
        ),
    };
    Some(Extra::new(kind, false, reason, message))
}

fn logs(object: &AmlWorkspace, facts: &Facts, insights: Option<&str>, demand: &Demand) -> Option<Extra> {
    let kind = conditions::LOGS_KEPT;
    if demand.logging.is_empty() {
        object.condition(kind)?;
        return Some(Extra::new(kind, true, reasons::NOT_NEEDED, "No endpoint logs to Application Insights."));
    }
    if !facts.exists {
        return None;
    }
    let who = demand.logging.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let what = match (insights, &facts.insights) {
        (None, _) => "the workspace has no Application Insights component".to_owned(),
        (Some(id), Fact::Known((known, false))) if known == id => {
            format!("the workspace's Application Insights component {id} is gone")
        }
        (Some(id), Fact::Known((known, true))) if known == id => {
            return fine(kind, "The workspace's Application Insights component takes what endpoints log.");
        }
        (Some(_), Fact::Untold(why)) => return untold(kind, why),
        (Some(_), _) => return None,
    };
    let message = format!(
        "AmlEndpoint {who} wants its requests logged (deployment.appInsightsEnabled), and {what}. Give the workspace one (spec.template.applicationInsights where the operator manages it, az ml workspace update --application-insights otherwise)."
    );
    Some(Extra::new(kind, false, reasons::APPLICATION_INSIGHTS_MISSING, message))
}

#[cfg(test)]
mod tests {
    use azureml::resources::providers::Provider;
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;

    fn object(more: &Value) -> AmlWorkspace {
        let mut spec = json!({
            "subscriptionId": "11111111-1111-1111-1111-111111111111", "resourceGroup": "rg",
            "credentials": {"managedIdentity": {}},
        });
        for (name, value) in more.as_object().unwrap() {
            spec[name] = value.clone();
        }
        let metadata = json!({"name": "ml-ops", "namespace": "team-a", "uid": "uid-1", "generation": 1});
        serde_json::from_value(
            json!({"apiVersion": "azureml.dev/v1alpha1", "kind": "AmlWorkspace", "metadata": metadata, "spec": spec}),
        )
        .unwrap()
    }

    fn facts() -> Facts {
        Facts::new(1, true, Timestamp::UNIX_EPOCH)
    }

    fn permission(actions: &[&str], not_actions: &[&str]) -> Permission {
        let own = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        Permission { actions: own(actions), not_actions: own(not_actions) }
    }

    #[test]
    fn what_was_not_asked_or_not_answered_says_nothing() {
        assert!(findings(&object(&json!({})), &facts(), None, &Demand::default()).is_empty());
    }

    #[test]
    fn a_subscription_that_is_not_registered_is_told_with_the_command() {
        for (state, status) in
            [("Registered", true), ("NotRegistered", false), ("Unregistered", false), ("Registering", false)]
        {
            let provider = Provider { registration_state: state.into(), ..Provider::default() };
            let facts = Facts { provider: Fact::Known(Some(provider)), ..facts() };
            let found = findings(&object(&json!({})), &facts, None, &Demand::default());
            assert_eq!(found[0].status, Some(status), "{state}");
            assert_eq!(unregistered(&found).is_some(), !status);
            assert_eq!(
                found[0].message.contains("az provider register"),
                state.contains("nregistered") || state == "NotRegistered"
            );
        }
        let facts = Facts { provider: Fact::Untold("403".into()), ..facts() };
        let found = findings(&object(&json!({})), &facts, None, &Demand::default());
        assert_eq!((found[0].status, unregistered(&found)), (None, None));
    }

    #[test]
    fn the_least_role_that_helps_is_named_for_what_is_missing() {
        let shared = json!({"access": [{"principalId": "x", "principalType": "User", "role": "Reader"}]});
        let managed = json!({"managementPolicy": "Manage", "template": {"location": "westeurope"}});
        let scientist = permission(
            &[
                "Microsoft.MachineLearningServices/workspaces/*/read",
                "Microsoft.MachineLearningServices/workspaces/*/write",
            ],
            &[
                "Microsoft.MachineLearningServices/workspaces/write",
                "Microsoft.MachineLearningServices/workspaces/computes/*/write",
            ],
        );
        let contributor = permission(&["*"], &["Microsoft.Authorization/*/Write", "Microsoft.Authorization/*/Delete"]);
        let reader = permission(&["*/read"], &[]);
        let demand = |kinds: &[&'static str]| Demand { kinds: kinds.iter().copied().collect(), ..Demand::default() };
        for (what, spec, permissions, demand, role) in [
            ("reads", json!({}), vec![reader.clone()], demand(&[]), None),
            ("manages", managed, vec![scientist.clone()], demand(&[]), Some("role Contributor on")),
            ("shares", shared.clone(), vec![contributor], demand(&[]), Some("role User Access Administrator on")),
            ("clusters", json!({}), vec![scientist], demand(&["AmlCompute"]), Some("role Contributor on")),
            ("runs", json!({}), vec![reader.clone()], demand(&["AmlPipeline"]), Some("AzureML Data Scientist")),
            ("shares and runs", shared, vec![reader], demand(&["AmlPipeline"]), Some("Owner")),
        ] {
            let facts = Facts { permissions: Fact::Known(permissions), ..facts() };
            let found = findings(&object(&spec), &facts, None, &demand);
            assert_eq!(found[0].kind, conditions::ROLES_SUFFICIENT);
            match role {
                None => assert_eq!(found[0].status, Some(true), "{what}: {}", found[0].message),
                Some(role) => assert!(found[0].message.contains(role), "{what}: {}", found[0].message),
            }
        }
    }

    #[test]
    fn logs_need_a_component_where_an_endpoint_logs() {
        let demand = Demand { logging: vec!["bank".into()], ..Demand::default() };
        let status = |insights: Option<&str>, fact: Fact<(String, bool)>| {
            let facts = Facts { insights: fact, ..facts() };
            findings(&object(&json!({})), &facts, insights, &demand).first().map(|one| (one.status, one.reason))
        };
        let lacking = Some((Some(false), reasons::APPLICATION_INSIGHTS_MISSING));
        assert_eq!(status(None, Fact::Unread), lacking);
        assert_eq!(status(Some("/c"), Fact::Unread), None);
        assert_eq!(status(Some("/c"), Fact::Known(("/c".into(), false))), lacking);
        assert_eq!(status(Some("/c"), Fact::Known(("/c".into(), true))), Some((Some(true), reasons::SUCCEEDED)));
    }
}
