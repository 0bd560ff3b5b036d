//! Long-running operations: started by one client, written down, polled by another.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Reply, Server, token_or};
use azureml::resources::online::OnlineEndpoint;
use azureml::{Operation, OperationState};
use serde_json::{Value, json};

#[tokio::test]
async fn an_operation_is_polled_to_its_end_by_another_client() {
    let polls = AtomicUsize::new(0);
    let server = Server::start(move |asked, url| {
        token_or(asked, || match (asked.method.as_str(), asked.path.as_str()) {
            ("PUT", _) => Reply::With(
                201,
                vec![
                    ("azure-asyncoperation", format!("{url}/op/1?t=1")),
                    ("location", format!("{url}/wrong")),
                    ("retry-after", "9".into()),
                ],
                json!({"id": "x", "name": "e", "properties": {"provisioningState": "Creating"}}),
            ),
            (_, "/op/1") if polls.fetch_add(1, Ordering::SeqCst) == 0 => {
                Reply::With(200, vec![("retry-after", "3".into())], json!({"status": "InProgress"}))
            }
            (_, "/op/1") => Reply::Json(200, json!({"status": "Succeeded"})),
            other => panic!("{other:?}"),
        })
    })
    .await;
    let started = server.workspace().put_online_endpoint("e", &OnlineEndpoint::default()).await.unwrap();
    assert_eq!(started.body.unwrap().properties.provisioning_state.as_deref(), Some("Creating"));
    let operation = started.operation.unwrap();
    assert_eq!(operation.retry_after, Some(Duration::from_secs(9)));

    let written = serde_json::to_string(&operation).unwrap();
    let read: Operation = serde_json::from_str(&written).unwrap();
    let resumed = Operation::resume(read.url, read.style.as_str());
    let other = server.client_by(server.transport());
    assert_eq!(
        other.poll(&resumed).await.unwrap(),
        OperationState::Running { retry_after: Some(Duration::from_secs(3)) }
    );
    assert_eq!(other.poll(&resumed).await.unwrap(), OperationState::Succeeded);
}

#[tokio::test]
async fn each_answer_of_an_operation_has_its_meaning() {
    let running = OperationState::Running { retry_after: None };
    let failed = |code: &str, message: &str| OperationState::Failed {
        code: code.into(),
        message: format!("{message} (request id azure-request-1)"),
    };
    for (style, status, body, state) in [
        ("AsyncOperation", 200, json!({"status": "Whatever"}), running.clone()),
        (
            "AsyncOperation",
            200,
            json!({"status": "Failed", "error": {"code": "OutOfQuota", "message": "Not enough cores."}}),
            failed("OutOfQuota", "Not enough cores"),
        ),
        ("AsyncOperation", 200, json!({"status": "Canceled"}), failed("Canceled", "Azure gives no reason")),
        ("AsyncOperation", 404, json!({"error": {"code": "NotFound", "message": "?"}}), OperationState::Lost),
        ("Location", 202, Value::Null, running),
        ("Location", 200, json!({"id": "x"}), OperationState::Succeeded),
        ("Location", 204, Value::Null, OperationState::Succeeded),
        ("Location", 410, Value::Null, OperationState::Lost),
    ] {
        let answer = body.clone();
        let server =
            Server::start(move |asked, _| token_or(asked, || Reply::With(status, vec![], answer.clone()))).await;
        let operation = Operation::resume(format!("{}/op", server.cloud.resource_manager), style);
        let seen = server.client_by(server.transport()).poll(&operation).await.unwrap();
        assert_eq!(seen, state, "{style} {status} {body}");
    }
}

#[tokio::test]
async fn trouble_while_polling_is_an_error_and_not_the_operation_s_end() {
    for (status, body) in [
        (500, json!({"error": {"code": "InternalServerError", "message": "?"}})),
        (429, json!({})),
        (200, json!({})),
        (403, json!({})),
    ] {
        let answer = body.clone();
        let server = Server::start(move |asked, _| token_or(asked, || Reply::Json(status, answer.clone()))).await;
        let operation = Operation::resume(format!("{}/op", server.cloud.resource_manager), "AsyncOperation");
        assert!(server.client_by(server.transport()).poll(&operation).await.is_err(), "{status} {body}");
    }
}

#[tokio::test]
async fn deleting_what_is_gone_or_goes_at_once_starts_nothing() {
    for (status, body, runs) in [
        (204, Value::Null, false),
        (404, json!({"error": {"code": "ResourceNotFound", "message": "gone"}}), false),
        (200, Value::Null, false),
        (202, Value::Null, true),
    ] {
        let answer = body.clone();
        let server = Server::start(move |asked, url| {
            token_or(asked, || {
                Reply::With(
                    status,
                    if status == 202 { vec![("location", format!("{url}/op"))] } else { vec![] },
                    answer.clone(),
                )
            })
        })
        .await;
        let started = server.workspace().delete_online_endpoint("e").await.unwrap();
        assert_eq!(started.operation.is_some(), runs, "{status}");
    }
}
