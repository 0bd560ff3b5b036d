//! Azure's manners: what is late, slow, throttled, refused, and how it is told.

use crate::client::{Answer, Emulator, WORKSPACE, Workspace, answer, compute};
use reqwest::Method;
use serde_json::{Value, json};

const OTHER: &str = "22222222-2222-2222-2222-222222222222";
const SUBSCRIPTION: &str = "/subscriptions/s1";

/// Another principal, with a role on a scope or none.
async fn other<'a>(emulator: &'a Emulator, role: Option<(&str, &str)>) -> Workspace<'a> {
    let principal = json!({"clientId": "other", "objectId": OTHER, "clientSecret": "good"});
    emulator.control(Method::POST, "tenants/t1/principals", principal).await;
    if let Some((role, scope)) = role {
        let role = json!({"scope": scope, "principalId": OTHER, "role": role});
        emulator.control(Method::POST, "roleassignments", role).await;
    }
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "other"),
        ("client_secret", "good"),
        ("scope", "https://management.azure.com/.default"),
    ];
    let token = emulator.http.post(format!("{}/t1/oauth2/v2.0/token", emulator.url)).form(&form).send().await;
    let token = answer(token.unwrap()).await.body["access_token"].as_str().unwrap().to_owned();
    Workspace { emulator, token }
}

/// A call on ARM outside the workspace.
async fn at(workspace: &Workspace<'_>, method: Method, path: &str, body: Value) -> Answer {
    let mark = if path.contains('?') { '&' } else { '?' };
    let url = format!("{}{path}{mark}api-version=2025-12-01", workspace.emulator.url);
    workspace.send(method, &url, body).await
}

/// The owner of the subscription.
async fn owner(emulator: &Emulator) -> Workspace<'_> {
    other(emulator, Some(("Owner", SUBSCRIPTION))).await
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

fn code(answer: &Answer) -> &str {
    answer.body["error"]["code"].as_str().unwrap_or_default()
}

async fn set(emulator: &Emulator, patch: Value) {
    emulator.control(Method::POST, "manners", patch).await;
}

async fn step(emulator: &Emulator, seconds: f64) {
    emulator.control(Method::POST, "clock", json!({"advanceSeconds": seconds, "speed": 0})).await;
}

/// Follows `Location` until the operation has ended.
async fn located(workspace: &Workspace<'_>, begun: &Answer) -> Answer {
    let address = header(begun, "location").to_owned();
    loop {
        let told = workspace.send(Method::GET, &address, Value::Null).await;
        if told.status != 202 {
            return told;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_where_the_provider_is_not_registered() {
    let emulator = Emulator::start().await;
    let owner = owner(&emulator).await;
    let provider = format!("{SUBSCRIPTION}/providers/Microsoft.MachineLearningServices");
    emulator.control(Method::POST, "providers", json!({"subscriptionId": "s1", "state": "NotRegistered"})).await;
    let refused = owner.arm(Method::PUT, "computes/cpu", compute()).await;
    assert_eq!((refused.status, code(&refused)), (409, "MissingSubscriptionRegistration"), "{}", refused.body);
    assert_eq!(refused.body["error"]["details"][0]["target"], "Microsoft.MachineLearningServices");
    let refused = owner.arm(Method::PUT, "onlineEndpoints/bank", json!({"location": "westeurope"})).await;
    assert_eq!(code(&refused), "MissingSubscriptionRegistration");
    let shown = at(&owner, Method::GET, &provider, Value::Null).await;
    assert_eq!(shown.body["registrationState"], "NotRegistered");

    set(&emulator, json!({"registrationSeconds": 60})).await;
    step(&emulator, 0.0).await;
    let registering = at(&owner, Method::POST, &format!("{provider}/register"), Value::Null).await;
    assert_eq!((registering.status, &registering.body["registrationState"]), (200, &json!("Registering")));
    step(&emulator, 60.0).await;
    assert_eq!(at(&owner, Method::GET, &provider, Value::Null).await.body["registrationState"], "Registered");
    assert_eq!(owner.put("computes/cpu", compute()).await["status"], "Succeeded");
    let permissions = format!("{WORKSPACE}/providers/Microsoft.Authorization/permissions");
    assert_eq!(
        at(&owner, Method::GET, &permissions, Value::Null).await.body["value"],
        json!([{"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}])
    );
    let all = at(&owner, Method::GET, &format!("{SUBSCRIPTION}/providers"), Value::Null).await;
    assert_eq!(all.body["value"][0]["namespace"], "Microsoft.MachineLearningServices");
    // The role in the workspace says nothing of the subscription.
    let lesser = emulator.workspace().await;
    assert_eq!(code(&at(&lesser, Method::GET, &provider, Value::Null).await), "AuthorizationFailed");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_cores_than_the_quota_are_refused_to_clusters_and_deployments() {
    let emulator = Emulator::start().await;
    let owner = owner(&emulator).await;
    let quota = json!({"subscriptionId": "s1", "location": "westeurope", "vmSize": "Standard_DS3_v2", "limit": 8});
    emulator.control(Method::POST, "quotas", quota).await;
    let cluster = |least: u32, most: u32| {
        let mut body = compute();
        body["properties"]["properties"]["scaleSettings"] = json!({"minNodeCount": least, "maxNodeCount": most});
        body
    };
    let ended = owner.put("computes/large", cluster(0, 3)).await;
    assert_eq!((&ended["status"], &ended["error"]["code"]), (&json!("Failed"), &json!("OutOfQuota")), "{ended}");
    assert_eq!(owner.get("computes/large").await["properties"]["provisioningState"], "Failed");
    assert_eq!(owner.put("computes/cpu", cluster(1, 2)).await["status"], "Succeeded");

    let locations = format!("{SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/locations/westeurope");
    let usages = at(&owner, Method::GET, &format!("{locations}/usages"), Value::Null).await.body;
    let family = |usages: &Value| {
        let all = usages["value"].as_array().unwrap().clone();
        let found = all.into_iter().find(|usage| usage["name"]["value"] == "standardDSv2Family").unwrap();
        (found["currentValue"].clone(), found["limit"].clone())
    };
    assert_eq!(family(&usages), (json!(4), json!(8)));
    let quotas = at(&owner, Method::GET, &format!("{locations}/quotas"), Value::Null).await.body;
    assert_eq!(family(&quotas), (Value::Null, json!(8)));
    let sizes = at(&owner, Method::GET, &format!("{locations}/vmSizes"), Value::Null).await.body;
    let size = sizes["value"].as_array().unwrap().iter().find(|size| size["name"] == "Standard_DS3_v2").unwrap();
    assert_eq!((&size["vCPUs"], &size["family"]), (&json!(4), &json!("standardDSv2Family")));

    let model = json!({"properties": {"modelType": "mlflow_model", "modelUri": "azureml://datastores/workspaceblobstore/paths/none"}});
    assert_eq!(owner.arm(Method::PUT, "models/bank/versions/1", model).await.status, 201);
    let endpoint = json!({"location": "westeurope", "properties": {"authMode": "Key"}});
    assert_eq!(owner.put("onlineEndpoints/bank", endpoint).await["status"], "Succeeded");
    let deployment = |size: &str| {
        json!({"location": "westeurope", "sku": {"name": "Default", "capacity": 1}, "properties": {
            "endpointComputeType": "Managed", "model": format!("{WORKSPACE}/models/bank/versions/1"), "instanceType": size}})
    };
    let ended = owner.put("onlineEndpoints/bank/deployments/blue", deployment("Standard_DS3_v2")).await;
    assert_eq!(ended["error"]["code"], "OutOfQuota", "{ended}");
    assert!(ended["error"]["message"].as_str().unwrap().contains("usage/limit: 4/8"), "{ended}");
    // There are the cores for another family; what is missing then is the model.
    let ended = owner.put("onlineEndpoints/bank/deployments/blue", deployment("Standard_F4s_v2")).await;
    assert_eq!(ended["error"]["code"], "ResourceNotReady", "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diagnosis_is_an_operation_with_findings() {
    let emulator = Emulator::start().await;
    let owner = owner(&emulator).await;
    let begun = owner.arm(Method::POST, "diagnose", json!({"value": {}})).await;
    assert_eq!((begun.status, &begun.body), (202, &Value::Null));
    let found = located(&owner, &begun).await;
    assert_eq!((found.status, &found.body["value"]["keyVaultResults"]), (200, &json!([])));
    let vault = owner.get("").await["properties"]["keyVault"].as_str().unwrap().to_owned();
    assert_eq!(at(&owner, Method::DELETE, &vault, Value::Null).await.status, 200);
    let begun = owner.arm(Method::POST, "diagnose", Value::Null).await;
    let found = located(&owner, &begun).await.body;
    assert_eq!(found["value"]["keyVaultResults"][0]["level"], "Error", "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_much_is_told_to_wait_and_waits_anew_when_early() {
    let emulator = Emulator::start().await;
    let workspace = emulator.workspace().await;
    let another = owner(&emulator).await;
    step(&emulator, 0.0).await;
    let few = json!({"throttling": {"subscriptions": {"s1": {"reads": {"size": 3, "perSecond": 1}}}}});
    set(&emulator, few).await;
    let read = async |client: &Workspace<'_>| client.arm(Method::GET, "computes", Value::Null).await;
    for left in ["2", "1", "0"] {
        let passed = read(&workspace).await;
        assert_eq!((passed.status, header(&passed, "x-ms-ratelimit-remaining-subscription-reads")), (200, left));
    }
    for _ in 0..2 {
        let refused = read(&workspace).await;
        assert_eq!((refused.status, header(&refused, "retry-after")), (429, "1"), "{}", refused.body);
        assert_eq!(code(&refused), "SubscriptionRequestsThrottled");
        step(&emulator, 0.75).await;
    }
    assert_eq!(read(&workspace).await.status, 429, "it came back before its time, and waits anew");
    assert_eq!(read(&another).await.status, 200, "buckets are a principal's own");
    let written = workspace.arm(Method::PUT, "computes/cpu", compute()).await;
    assert_eq!((written.status, header(&written, "x-ms-ratelimit-remaining-subscription-writes")), (201, "199"));
    step(&emulator, 1.0).await;
    assert_eq!(read(&workspace).await.status, 200);
    set(&emulator, json!({"throttling": {"subscriptions": {"s1": null}}})).await;
    for _ in 0..5 {
        assert_eq!(read(&workspace).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_takes_its_time_on_the_emulators_clock_and_is_told_to_whom_may_read() {
    let emulator = Emulator::start().await;
    let workspace = emulator.workspace().await;
    step(&emulator, 0.0).await;
    set(&emulator, json!({"operations": {"seconds": {"computes/write": 600}, "retryAfterSeconds": 7}})).await;
    let begun = workspace.arm(Method::PUT, "computes/cpu", compute()).await;
    assert_eq!((begun.status, header(&begun, "retry-after")), (201, "7"));
    assert_eq!(begun.body["properties"]["provisioningState"], "Creating");
    let address = header(&begun, "azure-asyncoperation").to_owned();
    step(&emulator, 599.0).await;
    let busy = workspace.arm(Method::PUT, "computes/cpu", compute()).await;
    assert_eq!((busy.status, code(&busy)), (409, "Conflict"), "one operation at a time");
    let told = workspace.send(Method::GET, &address, Value::Null).await;
    assert_eq!((told.status, &told.body["status"], header(&told, "retry-after")), (200, &json!("InProgress"), "7"));
    let stranger = other(&emulator, None).await;
    assert_eq!(code(&stranger.send(Method::GET, &address, Value::Null).await), "AuthorizationFailed");
    let reader = other(&emulator, Some(("Reader", WORKSPACE))).await;
    assert_eq!(reader.send(Method::GET, &address, Value::Null).await.body["status"], "InProgress");
    step(&emulator, 1.0).await;
    assert_eq!(reader.ended(&begun).await["status"], "Succeeded");
    assert_eq!(reader.get("computes/cpu").await["properties"]["provisioningState"], "Succeeded");

    set(&emulator, json!({"operations": {"seconds": {"onlineEndpoints/delete": 60}}})).await;
    let endpoint = json!({"location": "westeurope", "properties": {"authMode": "Key"}});
    let made = workspace.arm(Method::PUT, "onlineEndpoints/bank", endpoint).await;
    assert_eq!(header(&made, "x-ms-async-operation-timeout"), "PT2H");
    workspace.ended(&made).await;
    let begun = workspace.arm(Method::DELETE, "onlineEndpoints/bank", Value::Null).await;
    let told = workspace.send(Method::GET, header(&begun, "location"), Value::Null).await;
    assert_eq!((told.status, header(&told, "retry-after")), (202, "7"));
    assert_eq!(header(&told, "location"), header(&begun, "location"));
    let busy = workspace.arm(Method::DELETE, "onlineEndpoints/bank", Value::Null).await;
    assert_eq!((busy.status, code(&busy)), (409, "Conflict"));
    step(&emulator, 60.0).await;
    assert_eq!(located(&workspace, &begun).await.status, 200);
    assert_eq!(workspace.arm(Method::GET, "onlineEndpoints/bank", Value::Null).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_told_as_arm_or_as_azure_ml_tells_them_and_can_be_found_again() {
    let emulator = Emulator::start().await;
    let workspace = emulator.workspace().await;
    let url = format!("{}{WORKSPACE}/computes", emulator.url);
    for path in ["computes", "jobs"] {
        let url = format!("{}{WORKSPACE}/{path}", emulator.url);
        let refused = workspace.send(Method::GET, &url, Value::Null).await;
        assert_eq!((refused.status, code(&refused)), (400, "MissingApiVersionParameter"), "{path}");
    }
    let ml = workspace.arm(Method::GET, "data/none/versions/1", Value::Null).await;
    assert_eq!((ml.status, code(&ml)), (404, "UserError"));
    let info = ml.body["error"]["additionalInfo"].as_array().unwrap();
    let of = |kind: &str| info.iter().find(|info| info["type"] == kind).map(|info| info["info"]["value"].clone());
    assert_eq!(of("ComponentName"), Some(json!("managementfrontend")));
    assert_eq!(of("Location"), Some(json!("westeurope")));
    let request = header(&ml, "x-ms-request-id").replace('-', "");
    assert_eq!(of("Correlation").unwrap()["operation"], request);
    let nowhere = WORKSPACE.replace("/ws1", "/none");
    let owner = owner(&emulator).await;
    let arm = at(&owner, Method::GET, &format!("{nowhere}/jobs/j"), Value::Null).await;
    assert_eq!((arm.status, code(&arm)), (404, "ResourceNotFound"));
    assert!(arm.body["error"].get("additionalInfo").is_none(), "{}", arm.body);
    for path in ["computes/cpu", "onlineEndpoints/bank"] {
        let parent = at(&owner, Method::PUT, &format!("{nowhere}/{path}"), compute()).await;
        assert_eq!((parent.status, code(&parent)), (404, "ParentResourceNotFound"), "{path}");
    }
    let traced = emulator.http.get(url).header("x-ms-correlation-request-id", "mine").send().await.unwrap();
    let traced = answer(traced).await;
    assert_eq!((traced.status, code(&traced)), (401, "InvalidAuthenticationToken"));
    assert_eq!(header(&traced, "x-ms-correlation-request-id"), "mine");
    for name in ["x-ms-request-id", "x-ms-routing-request-id"] {
        assert!(!header(&traced, name).is_empty(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_counts_when_it_has_come_around() {
    let emulator = Emulator::start().await;
    let owner = emulator.workspace().await;
    step(&emulator, 0.0).await;
    set(&emulator, json!({"roleDelaySeconds": 300})).await;
    let late = other(&emulator, None).await;
    let name = "33333333-3333-3333-3333-333333333333";
    let path = |name: &str| format!("{WORKSPACE}/providers/Microsoft.Authorization/roleAssignments/{name}");
    let reader =
        "/subscriptions/s1/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7";
    let body = json!({"properties": {"roleDefinitionId": reader, "principalId": OTHER}});
    assert_eq!(at(&owner, Method::PUT, &path(name), body.clone()).await.status, 201);
    assert_eq!(at(&owner, Method::PUT, &path(name), body.clone()).await.status, 200);
    let again = at(&owner, Method::PUT, &path("44444444-4444-4444-4444-444444444444"), body).await;
    assert_eq!((again.status, code(&again)), (409, "RoleAssignmentExists"));
    step(&emulator, 299.0).await;
    assert_eq!(code(&late.arm(Method::GET, "computes", Value::Null).await), "AuthorizationFailed");
    step(&emulator, 1.0).await;
    assert_eq!(late.arm(Method::GET, "computes", Value::Null).await.status, 200);

    let unknown = "55555555-5555-5555-5555-555555555555";
    let body = |kind: Option<&str>| json!({"properties": {"roleDefinitionId": reader, "principalId": unknown, "principalType": kind}});
    let refused = at(&owner, Method::PUT, &path(unknown), body(None)).await;
    assert_eq!((refused.status, code(&refused)), (400, "PrincipalNotFound"));
    assert_eq!(at(&owner, Method::PUT, &path(unknown), body(Some("ServicePrincipal"))).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_none_are_refused_and_shown_as_they_are() {
    let given = Emulator::launch(&["--throttle", "s1"]).await;
    let shown = given.control(Method::GET, "manners", Value::Null).await;
    assert_eq!(shown["throttling"]["subscriptions"]["s1"]["writes"], json!({"size": 200.0, "perSecond": 10.0}));
    let emulator = Emulator::start().await;
    let shown = emulator.control(Method::GET, "manners", Value::Null).await;
    assert_eq!((&shown["profile"], &shown["throttling"]["subscriptions"]), (&json!("quick"), &json!({})));
    let azure = emulator.control(Method::POST, "manners", json!({"profile": "azure"})).await;
    assert_eq!(azure["throttling"]["subscriptions"]["*"]["reads"], json!({"size": 250.0, "perSecond": 25.0}));
    let url = format!("{}/_emulator/manners", emulator.url);
    let refused = emulator.http.post(url).json(&json!({"patience": 1})).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 400);
    set(&emulator, json!({"latencies": [{"method": "GET", "path": "/computes$", "milliseconds": 50}]})).await;
    let workspace = emulator.workspace().await;
    let begun = std::time::Instant::now();
    assert_eq!(workspace.arm(Method::GET, "computes", Value::Null).await.status, 200);
    assert!(begun.elapsed() >= std::time::Duration::from_millis(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_late_and_filtered() {
    let emulator = Emulator::start().await;
    let workspace = emulator.workspace().await;
    step(&emulator, 0.0).await;
    set(&emulator, json!({"pageSize": 2, "listLagSeconds": 30})).await;
    for n in 1..=5 {
        let data = json!({"properties": {"dataType": "uri_file", "dataUri": "https://h/x.csv", "tags": {"odd": (n % 2).to_string()}}});
        let put = workspace.arm(Method::PUT, &format!("data/bank/versions/{n}"), data).await;
        assert_eq!(put.status, 201, "{}", put.body);
    }
    let names = async |path: &str| {
        let mut page = workspace.arm(Method::GET, path, Value::Null).await.body;
        let mut names = Vec::new();
        loop {
            let values = page["value"].as_array().unwrap();
            assert!(values.len() <= 2, "{page}");
            names.extend(values.iter().map(|value| value["name"].as_str().unwrap().to_owned()));
            let Some(next) = page["nextLink"].as_str().map(str::to_owned) else { return names.join(" ") };
            assert!(next.starts_with(&emulator.url));
            page = workspace.send(Method::GET, &next, Value::Null).await.body;
        }
    };
    assert_eq!(workspace.get("data/bank/versions/1").await["name"], "1");
    assert_eq!(names("data/bank/versions").await, "", "a list knows of it later");
    step(&emulator, 30.0).await;
    assert_eq!(names("data/bank/versions").await, "5 4 3 2 1");
    assert_eq!(names("data/bank/versions?$orderBy=createdtime%20asc").await, "1 2 3 4 5");
    assert_eq!(names("data/bank/versions?$tags=odd%3D1").await, "5 3 1");
    assert_eq!(names("datastores?names=workspaceblobstore").await, "workspaceblobstore");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_workspace_keeps_its_name_until_it_is_purged() {
    let emulator = Emulator::start().await;
    let owner = owner(&emulator).await;
    owner.put("computes/cpu", compute()).await;
    let data = json!({"properties": {"dataType": "uri_file", "dataUri": "https://h/x.csv"}});
    assert_eq!(owner.arm(Method::PUT, "data/bank/versions/1", data).await.status, 201);
    let delete = async |query: &str| owner.arm(Method::DELETE, query, Value::Null).await;
    let begun = delete("").await;
    located(&owner, &begun).await;
    assert_eq!(owner.arm(Method::GET, "data/bank/versions/1", Value::Null).await.status, 404);
    let body =
        |recover: bool| json!({"location": "westeurope", "properties": {"allowRecoverSoftDeletedWorkspace": recover}});
    let refused = owner.arm(Method::PUT, "", body(false)).await;
    assert_eq!((refused.status, code(&refused)), (400, "BadRequest"), "{}", refused.body);
    assert!(refused.body["error"]["message"].as_str().unwrap().contains("Soft-deleted workspace exists"));
    let begun = owner.arm(Method::PUT, "", body(true)).await;
    assert_eq!(located(&owner, &begun).await.status, 200, "{}", begun.body);
    assert_eq!(owner.get("data/bank/versions/1").await["name"], "1");
    assert_eq!(owner.arm(Method::GET, "computes/cpu", Value::Null).await.status, 404, "clusters do not come back");
    let roles = format!("{WORKSPACE}/providers/Microsoft.Authorization/roleAssignments?$filter=atScope()");
    let roles = at(&owner, Method::GET, &roles, Value::Null).await.body;
    assert_eq!(roles["value"].as_array().unwrap().len(), 2, "{roles}");

    located(&owner, &delete("").await).await;
    let url = format!("{}{WORKSPACE}?forceToPurge=true&api-version=2025-12-01", emulator.url);
    assert_eq!(owner.send(Method::DELETE, &url, Value::Null).await.status, 200);
    let begun = owner.arm(Method::PUT, "", body(false)).await;
    assert_eq!(located(&owner, &begun).await.status, 200);
    assert_eq!(owner.arm(Method::GET, "data/bank/versions/1", Value::Null).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_properties_and_regions_are_checked_where_azure_checks_them() {
    let emulator = Emulator::start().await;
    let workspace = emulator.workspace().await;
    let endpoint = |tags: Value, location: &str, own: Value| json!({"location": location, "tags": tags, "properties": {"authMode": "Key", "properties": own}});
    let put = async |tags: Value, location: &str| {
        workspace.arm(Method::PUT, "onlineEndpoints/bank", endpoint(tags, location, json!({}))).await
    };
    assert_eq!(code(&put(json!({"a/b": "x"}), "westeurope").await), "InvalidTagNameCharacters");
    assert_eq!(code(&put(json!({"a": "x".repeat(257)}), "westeurope").await), "InvalidTagValueLength");
    let made = workspace.put("onlineEndpoints/bank", endpoint(json!({}), "West Europe", json!({"a": "1"}))).await;
    assert_eq!(made["status"], "Succeeded");
    assert_eq!(code(&put(json!({}), "northeurope").await), "InvalidResourceLocation");
    workspace.put("onlineEndpoints/bank", endpoint(json!({}), "westeurope", json!({"a": "2", "b": "3"}))).await;
    let own = workspace.get("onlineEndpoints/bank").await["properties"]["properties"].clone();
    assert_eq!((&own["a"], &own["b"]), (&json!("1"), &json!("3")));
    let data =
        |tags: Value| json!({"properties": {"dataType": "uri_file", "dataUri": "https://h/x.csv", "tags": tags}});
    assert_eq!(
        workspace.arm(Method::PUT, "data/d/versions/1", data(json!({"a/b": "x".repeat(1000)}))).await.status,
        201
    );
    let refused = workspace.arm(Method::PUT, "data/d/versions/2", data(json!({"a": "x".repeat(1001)}))).await;
    assert_eq!((refused.status, code(&refused)), (400, "UserError"));
}
