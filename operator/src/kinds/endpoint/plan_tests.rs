//! What is decided about an endpoint, case by case; the rollout's own cases are beside it.

use std::time::Duration;

use azureml::resources::online::{OnlineDeployment, OnlineEndpoint};
use azureml_crds::endpoint::{Revision, RolloutPhase, RolloutStatus};
use azureml_crds::status::OperationStatus;
use azureml_crds::{AmlEndpoint, conditions, reasons, tags};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::super::observe::Facts;
use super::super::outputs::{OutputSeen, OutputsSeen, hash};
use super::super::{desired, status};
use super::{Action, Thought, operations, think};
use crate::error::Halt;
use crate::ownership::{Origin, Owner};
use crate::rollout::{Outcome, Retry, State};
use crate::shell::{After, Next, Standing};

const MODEL: &str = "/models/m/versions/1";

/// What is different from a settled endpoint.
type Change = fn(&mut Facts);
/// Status and reason of Available and of RolledOut.
type Told = [(bool, &'static str); 2];

/// An AmlEndpoint with more in its spec, status and annotations.
fn object(more: &Value, known: &Value, annotations: &Value) -> AmlEndpoint {
    let mut spec = json!({"workspaceRef": {"name": "w"}, "model": {"ref": "m"}, "deployment": {"instanceType": "s"}});
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "azureml.dev/v1alpha1", "kind": "AmlEndpoint", "spec": spec, "status": known,
        "metadata": {"name": "bank", "namespace": "team-a", "uid": "uid-1", "generation": 1, "annotations": annotations},
    }))
    .unwrap()
}

fn plain() -> AmlEndpoint {
    object(&json!({}), &json!({}), &json!({}))
}

fn owner_of(name: &str, uid: &str) -> Owner {
    Owner::new("prod", "team-a", "AmlEndpoint", name, uid)
}

fn revision(object: &AmlEndpoint) -> Revision {
    desired::revision("bank", &object.spec, MODEL, "1")
}

/// Nothing is in Azure yet.
fn nothing(object: &AmlEndpoint) -> Facts {
    Facts {
        id: "/onlineEndpoints/bank".to_owned(),
        name: "bank".to_owned(),
        owner: owner_of("bank", "uid-1"),
        wanted: Ok(revision(object)),
        endpoint: None,
        deployments: Vec::new(),
        state: State::default(),
        outcome: None,
        proof: None,
        request: Ok(()),
        log: None,
        retry: Retry { soon: Duration::from_secs(5), late: Duration::from_secs(60) },
        outputs: OutputsSeen {
            secret: OutputSeen::NotWanted,
            swagger: OutputSeen::NotWanted,
            keys: None,
            written: None,
            swagger_digest: None,
        },
    }
}

/// Everything is as the spec says, and the wanted revision serves.
fn settled(object: &AmlEndpoint) -> Facts {
    let mut facts = nothing(object);
    let wanted = revision(object);
    let mut endpoint = desired::endpoint(object, "westeurope", facts.owner.tags(Origin::Created));
    endpoint.properties.provisioning_state = Some("Succeeded".to_owned());
    endpoint.properties.scoring_uri = Some("https://bank/score".to_owned());
    endpoint.properties.traffic = [(wanted.deployment.clone(), 100)].into();
    let mut live: OnlineDeployment =
        desired::deployment(&object.spec, MODEL, "westeurope", "/w", facts.owner.tags(Origin::Created));
    live.name.clone_from(&wanted.deployment);
    live.properties.provisioning_state = Some("Succeeded".to_owned());
    facts.endpoint = Some(endpoint);
    facts.deployments = vec![live];
    facts.state = State {
        stable: Some(wanted),
        rollout: RolloutStatus { phase: RolloutPhase::Done, ..RolloutStatus::default() },
        ..State::default()
    };
    facts
}

fn tagged(object: &AmlEndpoint, tags: &[(&str, String)]) -> Facts {
    let mut facts = settled(object);
    let all = tags.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    facts.endpoint.as_mut().unwrap().tags = all;
    facts
}

fn endpoint(facts: &mut Facts) -> &mut OnlineEndpoint {
    facts.endpoint.as_mut().unwrap()
}

fn thought(object: &AmlEndpoint, facts: &Facts) -> Thought {
    think(object, facts, Timestamp::from_second(1_700_000_000).unwrap())
}

fn next(object: &AmlEndpoint, facts: &Facts) -> Next<Action> {
    thought(object, facts).plan.next
}

fn said(standing: &Standing) -> (&'static str, String) {
    match standing {
        Standing::Ready { reason, message }
        | Standing::Progressing { reason, message }
        | Standing::Stalled { reason, message }
        | Standing::Holding { reason, message } => (*reason, message.clone()),
    }
}

fn under_way(kind: &str) -> OperationStatus {
    OperationStatus {
        kind: kind.to_owned(),
        target: "bank".to_owned(),
        url: "https://operations/1".to_owned(),
        style: "azure-async".to_owned(),
        started_at: Time(Timestamp::UNIX_EPOCH),
    }
}

#[test]
fn only_what_is_ours_is_touched() {
    let ours = owner_of("bank", "uid-1").tags(Origin::Created);
    let tags_of = |owner: Owner, origin| -> Vec<(&'static str, String)> {
        let all = owner.tags(origin);
        [tags::OWNER, tags::REF, tags::ORIGIN, tags::UID].map(|name| (name, all[name].clone())).to_vec()
    };
    let earlier = tags_of(owner_of("bank", "uid-0"), Origin::Created);
    let earlier_adopted = tags_of(owner_of("bank", "uid-0"), Origin::Adopted);
    let others = tags_of(owner_of("other", "uid-9"), Origin::Created);
    let held = json!({"azure": {"id": "/onlineEndpoints/bank", "origin": "created"}});
    let adopt = json!({"adoptionPolicy": "Adopt"});
    let none = json!({});
    let claim = |origin| Ok(Action::Claim { origin });
    let table = [
        ("found again after the cluster was rebuilt", &none, &none, &earlier, claim(Origin::Created)),
        ("found again stays adopted", &none, &none, &earlier_adopted, claim(Origin::Adopted)),
        ("held, and another cluster's uid on it", &none, &held, &earlier, Err(reasons::OWNERSHIP_TAKEN)),
        ("another object's", &none, &none, &others, Err(reasons::NOT_OWNED)),
        ("nobody's", &none, &none, &Vec::new(), Err(reasons::NOT_OWNED)),
        ("another's, to be taken over", &adopt, &none, &others, claim(Origin::Adopted)),
        ("nobody's, to be taken over", &adopt, &none, &Vec::new(), claim(Origin::Adopted)),
        ("another live cluster's is not taken over", &adopt, &held, &earlier, Err(reasons::OWNERSHIP_TAKEN)),
    ];
    for (case, spec, known, tags, expected) in table {
        let object = object(spec, known, &json!({}));
        let thought = thought(&object, &tagged(&object, tags));
        match expected {
            Ok(action) => assert_eq!(thought.plan.next, Next::Act(action), "{case}"),
            Err(reason) => {
                assert_eq!((thought.plan.next, said(&thought.plan.standing).0), (Next::Rest, reason), "{case}");
                assert!(matches!(thought.plan.standing, Standing::Stalled { .. }), "{case}");
            }
        }
    }
    let mut facts = settled(&plain());
    assert_eq!(endpoint(&mut facts).tags, ours);
    assert_eq!(next(&plain(), &facts), Next::Rest);
}

#[test]
fn the_owner_of_what_is_not_ours_is_named_with_what_can_be_done() {
    let object = plain();
    let other = owner_of("other", "uid-9").tags(Origin::Created);
    let facts = tagged(&object, &[(tags::OWNER, other[tags::OWNER].clone()), (tags::REF, other[tags::REF].clone())]);
    let (_, message) = said(&thought(&object, &facts).plan.standing);
    for part in ["\"bank\"", "prod/team-a/AmlEndpoint/other", "adoptionPolicy: Adopt", "azureName"] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn a_claim_waits_for_azure_and_is_not_repeated_when_it_failed() {
    let object = object(&json!({"adoptionPolicy": "Adopt"}), &json!({}), &json!({}));
    let mut facts = tagged(&object, &[]);
    endpoint(&mut facts).properties.provisioning_state = Some("Updating".to_owned());
    assert_eq!(next(&object, &facts), Next::Wait(After::Poll), "somebody else changes it");
    facts.state.operation = Some(under_way(operations::UPDATE_ENDPOINT));
    facts.outcome = Some(Outcome::Running { after: None });
    assert_eq!(next(&object, &facts), Next::Wait(After::Poll), "our own claim is under way");
    facts.outcome = Some(Outcome::Failed { message: "Conflict: no".to_owned() });
    let thought = thought(&object, &facts);
    assert_eq!(said(&thought.plan.standing), (reasons::OPERATION_FAILED, "Conflict: no".to_owned()));
    assert_eq!((thought.plan.next, thought.state.operation), (Next::Rest, None), "it is tried again later");
}

#[test]
fn an_endpoint_that_is_not_there_is_made_once() {
    let object = plain();
    let mut facts = nothing(&object);
    assert_eq!(next(&object, &facts), Next::Act(Action::CreateEndpoint));
    facts.state.operation = Some(under_way(operations::CREATE_ENDPOINT));
    let asked = Duration::from_secs(7);
    let table = [
        (Some(Outcome::Running { after: Some(asked) }), Next::Wait(After::Asked(asked))),
        (Some(Outcome::Running { after: None }), Next::Wait(After::Poll)),
        (None, Next::Wait(After::Poll)),
        // The end is recorded first: what was made may be gone again, and is made anew in a pass of its own.
        (Some(Outcome::Ended), Next::Record),
        (Some(Outcome::Failed { message: "no".to_owned() }), Next::Rest),
    ];
    for (outcome, expected) in table {
        facts.outcome = outcome.clone();
        assert_eq!(next(&object, &facts), expected, "{outcome:?}");
    }
    let thought = thought(&object, &facts);
    assert_eq!(said(&thought.plan.standing).0, reasons::OPERATION_FAILED);
    assert_eq!(thought.state.operation, None);
}

#[test]
fn without_a_model_nothing_is_made_and_what_serves_goes_on_serving() {
    let object = plain();
    let waits = Halt::wait(reasons::WAITING_FOR_MODEL, "not yet");
    let wrong = Halt::person(reasons::INVALID_SPEC, "correct it");
    for halt in [&waits, &wrong] {
        let facts = Facts { wanted: Err(halt.clone()), ..nothing(&object) };
        let plan = thought(&object, &facts).plan;
        assert_eq!((plan.next, said(&plan.standing).0), (Next::Rest, halt.reason));
    }
    let facts = Facts { wanted: Err(waits), ..settled(&object) };
    assert!(matches!(thought(&object, &facts).plan.standing, Standing::Holding { .. }));
    let facts = Facts { wanted: Err(wrong), ..settled(&object) };
    assert!(matches!(thought(&object, &facts).plan.standing, Standing::Stalled { .. }));
}

#[test]
fn what_this_release_does_not_do_is_refused_with_its_field_before_anything_is_made() {
    let rollout = |more: Value| json!({"rollout": more});
    let step = |more: Value| json!({"rollout": {"steps": [more]}});
    let deployment = |field: &str, value: Value| json!({"deployment": {"instanceType": "s", field: value}});
    let analysis = json!([{"name": "errors", "max": "0.01"}]);
    let benchmark = json!({"dataset": "rows", "targetColumn": "y", "metrics": [{"name": "accuracy", "min": "0.9"}]});
    let table = [
        (step(json!({"mirror": 10})), "spec.rollout.steps"),
        (step(json!({"weight": 10, "analysis": ["errors"]})), "spec.rollout.steps"),
        (rollout(json!({"analysis": analysis})), "spec.rollout.analysis"),
        (rollout(json!({"benchmark": benchmark})), "spec.rollout.benchmark"),
        (
            deployment("autoscale", json!({"minInstances": 1, "maxInstances": 2, "rules": []})),
            "spec.deployment.autoscale",
        ),
        (deployment("code", json!({"configMapRef": {"name": "c"}, "scoringScript": "s.py"})), "spec.deployment.code"),
    ];
    for (spec, field) in table {
        let object = object(&spec, &json!({}), &json!({}));
        let plan = thought(&object, &nothing(&object)).plan;
        let (reason, message) = said(&plan.standing);
        assert_eq!((plan.next, reason), (Next::Rest, reasons::UNSUPPORTED), "{field}");
        assert!(message.contains(field) && message.contains("remove it"), "{message}");
        assert_eq!(next(&object, &settled(&object)), Next::Rest, "what serves is left as it is");
    }
}

#[test]
fn the_endpoint_itself_is_put_to_the_spec() {
    let object = object(&json!({"publicNetworkAccess": "Disabled"}), &json!({}), &json!({}));
    let mut facts = settled(&object);
    endpoint(&mut facts).properties.public_network_access = Some("Enabled".to_owned());
    assert_eq!(next(&object, &facts), Next::Act(Action::UpdateEndpoint { fields: vec!["publicNetworkAccess"] }));

    facts.state.operation = Some(under_way(operations::UPDATE_ENDPOINT));
    facts.outcome = Some(Outcome::Ended);
    let thought = thought(&object, &facts);
    assert_eq!(said(&thought.plan.standing).0, reasons::OPERATION_FAILED, "Azure reverts it without a word");
    assert_eq!((thought.plan.next, thought.state.operation), (Next::Rest, None));

    let mut failed = settled(&plain());
    endpoint(&mut failed).properties.provisioning_state = Some("Failed".to_owned());
    assert_eq!(next(&plain(), &failed), Next::Act(Action::UpdateEndpoint { fields: vec!["provisioningState"] }));
}

#[test]
fn outputs_are_written_when_what_they_are_made_of_changes() {
    let spec = json!({"outputs": {"secret": {"name": "out"}, "swagger": {"configMap": {"name": "api"}}}});
    let ours = |version: &str, keys: &str| OutputSeen::Ours { version: version.into(), keys: Some(keys.into()) };
    let mut facts = settled(&object(&spec, &json!({}), &json!({})));
    let stable = facts.state.stable.clone().unwrap().deployment;
    facts.outputs.secret = ours("7", "old");
    facts.outputs.swagger = ours("8", "");
    facts.outputs.keys = Some("old".to_owned());
    let written = hash(facts.endpoint.as_ref().unwrap(), &stable, &facts.outputs);
    let object = object(&spec, &json!({"outputsHash": written}), &json!({}));
    assert_eq!(next(&object, &facts), Next::Rest, "they are as they were written");

    let changes: [(&str, Change); 5] = [
        ("the Secret is gone", |facts| facts.outputs.secret = OutputSeen::Missing),
        ("the Secret was changed", |facts| {
            facts.outputs.secret = OutputSeen::Ours { version: "9".into(), keys: Some("old".into()) };
        }),
        ("the ConfigMap is gone", |facts| facts.outputs.swagger = OutputSeen::Missing),
        ("another address", |facts| endpoint(facts).properties.scoring_uri = Some("https://b/score".into())),
        ("regenerated keys", |facts| facts.outputs.keys = Some("new".into())),
    ];
    for (case, change) in changes {
        let mut changed = facts.clone();
        change(&mut changed);
        let action = Action::WriteOutputs { stable: stable.clone() };
        assert_eq!(next(&object, &changed), Next::Act(action), "{case}");
        changed.outputs.secret = OutputSeen::Foreign;
        let plan = thought(&object, &changed).plan;
        assert_eq!((plan.next, said(&plan.standing).0), (Next::Rest, reasons::OUTPUT_NOT_OWNED), "{case}");
    }
}

#[test]
fn a_rotation_is_refused_once() {
    let asked = json!({"azureml.dev/rotate-keys": "monday"});
    let object = object(&json!({}), &json!({}), &asked);
    let mut facts = settled(&object);
    assert_eq!(next(&object, &facts), Next::Act(Action::RefuseRotation { token: "monday".into() }));
    facts.state.handled.insert("rotate-keys".into(), "monday".into());
    assert_eq!(next(&object, &facts), Next::Rest);
}

#[test]
fn available_tells_of_the_traffic_and_rolled_out_of_the_wanted_revision() {
    let table: [(&str, Change, Told); 6] = [
        ("all is well", |_| {}, [(true, reasons::SUCCEEDED), (true, reasons::SUCCEEDED)]),
        (
            "no traffic",
            |facts| endpoint(facts).properties.traffic.clear(),
            [(false, reasons::NO_TRAFFIC), (false, reasons::ROLLING_OUT)],
        ),
        (
            "what serves failed",
            |facts| facts.deployments[0].properties.provisioning_state = Some("Failed".into()),
            [(false, reasons::DEPLOYMENT_FAILED), (true, reasons::SUCCEEDED)],
        ),
        (
            "the traffic names what is not there",
            |facts| facts.deployments.clear(),
            [(false, reasons::DEPLOYMENT_FAILED), (false, reasons::ROLLING_OUT)],
        ),
        (
            "another revision is wanted",
            |facts| facts.wanted.as_mut().unwrap().spec_hash = "other".into(),
            [(true, reasons::SUCCEEDED), (false, reasons::ROLLING_OUT)],
        ),
        (
            "the wanted revision was given up",
            |facts| {
                facts.wanted.as_mut().unwrap().spec_hash = "other".into();
                facts.state.rejected.push("other".into());
            },
            [(true, reasons::SUCCEEDED), (false, reasons::ROLLED_BACK)],
        ),
    ];
    let object = plain();
    for (case, change, expected) in table {
        let mut facts = settled(&object);
        change(&mut facts);
        let extras = thought(&object, &facts).plan.extras;
        for (kind, (is, reason)) in [conditions::AVAILABLE, conditions::ROLLED_OUT].into_iter().zip(expected) {
            let found = extras.iter().find(|extra| extra.kind == kind).unwrap();
            assert_eq!((found.status, found.reason), (Some(is), reason), "{case}: {kind}");
        }
    }
    let extras = thought(&object, &nothing(&object)).plan.extras;
    assert!(extras.iter().all(|extra| extra.status == Some(false)), "there is no endpoint yet");
}

#[test]
fn only_what_got_to_azure_or_is_about_to_is_recorded_for_deletion() {
    let object = plain();
    let at = Timestamp::UNIX_EPOCH;
    let recorded = |facts: &Facts| status::status(&object, facts, at).azure.map(|azure| azure.origin);
    assert_eq!(recorded(&nothing(&object)), Some(None), "it is about to be made");
    let waits = Facts { wanted: Err(Halt::wait(reasons::WAITING_FOR_MODEL, "not yet")), ..nothing(&object) };
    assert_eq!(recorded(&waits), None, "nothing is made without a model");
    assert_eq!(recorded(&settled(&object)), Some(Some("created".to_owned())));
    assert_eq!(recorded(&tagged(&object, &[])), None, "somebody else's is not ours to delete");
}
