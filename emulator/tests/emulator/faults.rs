//! What faults do to answers, tokens and operations.

use crate::client::{Emulator, WORKSPACE, Workspace, compute, pipeline, rows};
use reqwest::Method;
use serde_json::{Value, json};

/// Orders an effect, once, for writes of this compute.
async fn once(emulator: &Emulator, name: &str, effect: Value) {
    let fault = json!({"method": "PUT", "path": format!("/computes/{name}$"), "count": 1, "effect": effect});
    emulator.control(Method::POST, "faults", fault).await;
}

/// The answer's status, content and headers, or that there was none, and whether the compute is there.
async fn put(emulator: &Emulator, workspace: &Workspace<'_>, name: &str) -> (Option<(u16, String, Value)>, bool) {
    let url = format!("{}{WORKSPACE}/computes/{name}?api-version=1", emulator.url);
    let sent = emulator.http.put(&url).bearer_auth(&workspace.token).json(&compute()).send().await;
    let answer = match sent {
        Err(_) => None,
        Ok(response) => {
            let status = response.status().as_u16();
            let header =
                |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let headers =
                json!({"type": header("content-type"), "retry": header("retry-after"), "date": header("date")});
            response.text().await.ok().map(|text| (status, text, headers))
        }
    };
    let there = workspace.arm(Method::GET, &format!("computes/{name}"), Value::Null).await.status == 200;
    (answer, there)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_proxies_or_end_in_their_middle() {
    let emulator = Emulator::start().await;
    let workspace = emulator.workspace().await;

    let html = json!({"status": 502, "rawBody": "<html>Bad Gateway</html>", "headers": {"content-type": "text/html"}});
    once(&emulator, "html", html).await;
    let (answer, there) = put(&emulator, &workspace, "html").await;
    let (status, text, headers) = answer.unwrap();
    assert_eq!((status, text.as_str(), &headers["type"]), (502, "<html>Bad Gateway</html>", &json!("text/html")));
    assert!(!there);

    once(&emulator, "throttled", json!({"status": 429, "retryAfterSeconds": 7})).await;
    let (status, text, headers) = put(&emulator, &workspace, "throttled").await.0.unwrap();
    assert_eq!((status, &headers["retry"]), (429, &json!("7")));
    assert!(text.contains("TooManyRequests"));

    once(&emulator, "whole", json!({"truncated": "whole"})).await;
    let (answer, there) = put(&emulator, &workspace, "whole").await;
    let (status, text, _) = answer.unwrap();
    assert_eq!(status, 201);
    assert!(text.starts_with('{') && serde_json::from_str::<Value>(&text).is_err(), "{text}");
    assert!(there, "it is executed");

    for (name, effect, executed) in [
        ("cut", json!({"truncated": "cut"}), true),
        ("lost", json!({"reset": "after"}), true),
        ("reset", json!({"reset": "before"}), false),
    ] {
        once(&emulator, name, effect).await;
        assert_eq!(put(&emulator, &workspace, name).await, (None, executed), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_differ_in_the_date_and_in_tokens() {
    let emulator = Emulator::start().await;
    let workspace = emulator.workspace().await;
    let date = async || {
        let answer = workspace.arm(Method::GET, "", Value::Null).await;
        let text = answer.headers["date"].to_str().unwrap().to_owned();
        seconds(&text)
    };
    let now = date().await;
    let skew = json!({"path": format!("{WORKSPACE}$"), "effect": {"dateSkewSeconds": -7200}});
    emulator.control(Method::POST, "faults", skew).await;
    let skewed = date().await;
    assert!((6000..8000).contains(&(now - skewed)), "{now} {skewed}");
    emulator.control(Method::DELETE, "faults", Value::Null).await;

    for (seconds, code) in [(-4000, "ExpiredAuthenticationToken"), (400, "InvalidAuthenticationToken")] {
        let fault = json!({"path": "/oauth2/v2.0/token$", "count": 1, "effect": {"tokenSkewSeconds": seconds}});
        emulator.control(Method::POST, "faults", fault).await;
        let refused = emulator.workspace().await.arm(Method::GET, "", Value::Null).await;
        assert_eq!((refused.status, &refused.body["error"]["code"]), (401, &json!(code)), "{seconds}");
        let taken = emulator.workspace().await.arm(Method::GET, "", Value::Null).await;
        assert_eq!(taken.status, 200, "{seconds}");
    }
}

/// Seconds of the day of an HTTP date, and the day: enough to tell hours apart.
fn seconds(date: &str) -> i64 {
    let time = date.split(' ').nth(4).unwrap();
    let day: i64 = date.split(' ').nth(1).unwrap().parse().unwrap();
    let of_day = time.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap());
    day * 86_400 + of_day
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_is_lost_while_its_work_is_done() {
    let emulator = Emulator::start().await;
    let workspace = emulator.workspace().await;
    once(&emulator, "lost", json!({"operationLost": true})).await;
    let begun = workspace.arm(Method::PUT, "computes/lost", compute()).await;
    let address = begun.headers["azure-asyncoperation"].to_str().unwrap().to_owned();
    assert_eq!(workspace.send(Method::GET, &address, Value::Null).await.status, 404);
    while workspace.get("computes/lost").await["properties"]["provisioningState"] != "Succeeded" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_listed_with_what_effects_there_are() {
    let emulator = Emulator::start().await;
    emulator.control(Method::POST, "faults", json!({"path": "/computes/", "effect": {"status": 500}})).await;
    let all = emulator.control(Method::GET, "faults", Value::Null).await;
    assert_eq!(all["faults"][0]["hits"], 0);
    assert!(all["faults"][0]["path"].as_str().unwrap().ends_with("/computes/"));
    assert!(all["effects"]["operationLost"].as_str().unwrap().contains("404"));
    let url = format!("{}/_emulator/faults", emulator.url);
    let wrong = emulator.http.post(&url).json(&json!({"effect": {"hang": true}})).send().await.unwrap();
    let text = wrong.text().await.unwrap();
    assert!(text.contains("hang") && text.contains("hold (the request hangs"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_queued_for_as_long_as_is_ordered_or_until_it_is_cancelled() {
    let emulator = Emulator::start().await;
    let workspace = emulator.workspace().await;
    workspace.put("computes/cpu", compute()).await;
    workspace.register("bank", rows(60)).await;
    let fault = json!({"method": "PUT", "path": "/jobs/", "effect": {"jobTakesMilliseconds": 3_600_000}});
    emulator.control(Method::POST, "faults", fault).await;
    assert_eq!(workspace.arm(Method::PUT, "jobs/slow", pipeline("bank")).await.status, 201);
    while workspace.get("jobs/slow").await["properties"]["status"] != "Queued" {
        tokio::task::yield_now().await;
    }
    workspace.arm(Method::POST, "jobs/slow/cancel", Value::Null).await;
    assert_eq!(workspace.job("slow").await["properties"]["status"], "Canceled");
}
