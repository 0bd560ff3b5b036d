//! Refusals, faults, the request log and the state.

use crate::client::{Emulator, OBJECT_ID, WORKSPACE, compute, pipeline, rows};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn what_azure_refuses_is_refused_in_its_words() {
    let emulator = Emulator::start().await;
    let wrong = emulator.sign_in("t1", "bad", "https://management.azure.com/.default").await;
    assert_eq!((wrong.status, &wrong.body["error_codes"]), (401, &json!([7_000_215])));
    let workspace = emulator.workspace().await;
    let none = workspace.arm(Method::GET, "computes/none", Value::Null).await;
    assert_eq!(none.status, 404);
    let url = format!("{}{}2?api-version=1", emulator.url, WORKSPACE);
    let other = workspace.send(Method::GET, &url, Value::Null).await;
    assert_eq!((other.status, &other.body["error"]["code"]), (403, &json!("AuthorizationFailed")));
    let data = |uri: &str| json!({"properties": {"dataType": "uri_file", "dataUri": uri}});
    let put = |uri: &'static str| workspace.arm(Method::PUT, "data/d/versions/1", data(uri));
    assert_eq!(put("azureml://datastores/workspaceblobstore/paths/a").await.status, 201);
    assert_eq!(put("azureml://datastores/workspaceblobstore/paths/a").await.status, 200);
    let changed = put("azureml://datastores/workspaceblobstore/paths/b").await;
    assert_eq!((changed.status, &changed.body["error"]["code"]), (400, &json!("UserError")));
    let role = json!({"properties": {
        "roleDefinitionId": "/subscriptions/s1/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7",
        "principalId": "22222222-2222-2222-2222-222222222222", "principalType": "User",
    }});
    let assign = async |name: &str| {
        let path = format!("providers/Microsoft.Authorization/roleAssignments/{name}");
        workspace.arm(Method::PUT, &path, role.clone()).await
    };
    let assigned = "33333333-3333-3333-3333-333333333333";
    assert_eq!(assign(assigned).await.status, 201);
    assert_eq!(assign(assigned).await.status, 200);
    let twice = assign("44444444-4444-4444-4444-444444444444").await;
    assert_eq!((twice.status, &twice.body["error"]["code"]), (409, &json!("RoleAssignmentExists")));
    let found = "providers/Microsoft.Authorization/roleAssignments?$filter=principalId%20eq%20'22222222-2222-2222-2222-222222222222'";
    assert_eq!(workspace.get(found).await["value"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_held_before_and_after_they_are_executed() {
    let emulator = Emulator::start().await;
    let workspace = emulator.workspace().await;
    for (hold, executed) in [("before", false), ("after", true)] {
        let fault = json!({"method": "PUT", "path": "/computes/", "count": 1, "effect": {"hold": hold}});
        let id = emulator.control(Method::POST, "faults", fault).await["id"].as_str().unwrap().to_owned();
        let compute_name = format!("computes/cpu{hold}");
        let log_path = format!("requests?writes=true&contains={compute_name}");
        let held = workspace.arm(Method::PUT, &compute_name, compute());
        let watch = async {
            while emulator.control(Method::GET, &format!("faults/{id}"), Value::Null).await["holding"] == 0 {
                tokio::task::yield_now().await;
            }
            let there = workspace.arm(Method::GET, &compute_name, Value::Null).await.status == 200;
            assert_eq!(there, executed, "{hold}");
            let log = emulator.control(Method::GET, &log_path, Value::Null).await;
            assert_eq!(log["requests"][0]["status"], Value::Null);
            emulator.control(Method::DELETE, &format!("faults/{id}"), Value::Null).await;
        };
        let (answered, ()) = tokio::join!(held, watch);
        assert_eq!(answered.status, 201);
        let log = emulator.control(Method::GET, &log_path, Value::Null).await;
        assert_eq!((&log["requests"][0]["status"], &log["requests"][0]["principal"]), (&json!(201), &json!(OBJECT_ID)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_request_whose_client_goes_away_is_never_executed() {
    let emulator = Emulator::start().await;
    let workspace = emulator.workspace().await;
    let fault = json!({"method": "PUT", "path": "/computes/", "effect": {"hold": "before"}});
    let id = emulator.control(Method::POST, "faults", fault).await["id"].as_str().unwrap().to_owned();
    let holding = async |wanted: u64| {
        while emulator.control(Method::GET, &format!("faults/{id}"), Value::Null).await["holding"] != wanted {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = workspace.arm(Method::PUT, "computes/cpu", compute()) => panic!("it is held"),
        () = holding(1) => {}
    }
    holding(0).await;
    emulator.control(Method::DELETE, "faults", Value::Null).await;
    assert_eq!(workspace.arm(Method::GET, "computes/cpu", Value::Null).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_jobs_and_connections_fail_on_purpose() {
    let emulator = Emulator::start().await;
    let workspace = emulator.workspace().await;
    let failing = json!({"path": "/computes/cpu$", "count": 1, "effect": {"operationFails": {"code": "OutOfQuota", "message": "no cores"}}});
    emulator.control(Method::POST, "faults", failing).await;
    let ended = workspace.put("computes/cpu", compute()).await;
    assert_eq!((&ended["status"], &ended["error"]["code"]), (&json!("Failed"), &json!("OutOfQuota")));
    assert_eq!(workspace.get("computes/cpu").await["properties"]["provisioningState"], "Failed");
    assert_eq!(workspace.put("computes/cpu", compute()).await["status"], "Succeeded");

    workspace.register("bank", rows(60)).await;
    let failing = json!({"method": "PUT", "path": "/jobs/", "count": 1, "effect": {"jobFails": {"code": "UserError", "message": "no luck"}}});
    emulator.control(Method::POST, "faults", failing).await;
    assert_eq!(workspace.arm(Method::PUT, "jobs/p1", pipeline("bank")).await.status, 201);
    assert_eq!(workspace.job("p1").await["properties"]["status"], "Failed");

    let status = json!({"path": "/computes$", "count": 1, "effect": {"status": 429, "code": "TooManyRequests", "headers": {"retry-after": "7"}}});
    emulator.control(Method::POST, "faults", status).await;
    let refused = workspace.arm(Method::GET, "computes", Value::Null).await;
    assert_eq!((refused.status, refused.headers["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(workspace.arm(Method::GET, "computes", Value::Null).await.status, 200);

    emulator
        .control(Method::POST, "faults", json!({"path": "/computes$", "count": 1, "effect": {"reset": true}}))
        .await;
    let url = format!("{}{WORKSPACE}/computes?api-version=1", emulator.url);
    assert!(emulator.http.get(&url).bearer_auth(&workspace.token).send().await.is_err());
    assert_eq!(workspace.arm(Method::GET, "computes", Value::Null).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_is_what_was_put_and_goes_with_the_workspace() {
    let emulator = Emulator::start().await;
    let workspace = emulator.workspace().await;
    workspace.put("computes/cpu", compute()).await;
    workspace.register("bank", rows(60)).await;
    let state = emulator.control(Method::GET, &format!("state?workspace={WORKSPACE}"), Value::Null).await;
    for id in ["computes/cpu", "data/bank/versions/1", "datastores/workspaceblobstore"] {
        assert!(state["resources"].get(format!("{WORKSPACE}/{id}")).is_some(), "{id}");
    }
    let page = emulator.http.get(format!("{}/_emulator/", emulator.url)).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("computes/cpu"));
    let deleted = workspace.arm(Method::DELETE, "", Value::Null).await;
    assert_eq!(deleted.status, 202);
    let address = deleted.headers["location"].to_str().unwrap();
    while workspace.send(Method::GET, address, Value::Null).await.status == 202 {
        tokio::task::yield_now().await;
    }
    let state = emulator.control(Method::GET, &format!("state?workspace={WORKSPACE}"), Value::Null).await;
    assert_eq!(state["resources"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_submits_its_job_when_the_clock_is_stepped() {
    let emulator = Emulator::start().await;
    let workspace = emulator.workspace().await;
    workspace.put("computes/cpu", compute()).await;
    workspace.register("bank", rows(60)).await;
    let schedule = |enabled: bool| {
        json!({"properties": {"isEnabled": enabled,
            "trigger": {"triggerType": "Recurrence", "frequency": "hour", "interval": 1},
            "action": {"actionType": "CreateJob", "jobDefinition": pipeline("bank")["properties"]}}})
    };
    assert_eq!(workspace.put("schedules/hourly", schedule(true)).await["status"], "Succeeded");
    assert_eq!(workspace.arm(Method::DELETE, "schedules/hourly", Value::Null).await.status, 400);
    emulator.control(Method::POST, "clock", json!({"advanceSeconds": 3700})).await;
    let workspace = emulator.workspace().await;
    let jobs = workspace.get("jobs").await;
    let job = &jobs["value"][0];
    assert!(job["name"].as_str().unwrap().starts_with("hourly-2"), "{jobs}");
    assert_eq!(job["properties"]["properties"]["azureml.scheduleName"], "hourly");
    assert_eq!(workspace.job(job["name"].as_str().unwrap()).await["properties"]["status"], "Completed");
    workspace.put("schedules/hourly", schedule(false)).await;
    assert_eq!(workspace.arm(Method::DELETE, "schedules/hourly", Value::Null).await.status, 202);
}
