//! The page at `/_emulator/`, by what a browser reads and sends.

use crate::client::{Emulator, compute, pipeline, rows};
use reqwest::{Method, StatusCode};
use serde_json::Value;

async fn page(emulator: &Emulator, query: &str) -> String {
    let response = emulator.http.get(format!("{}/_emulator/{query}", emulator.url)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    let text = response.text().await.unwrap();
    for outside in ["src=\"http", "href=\"http", "@import", "url("] {
        assert!(!text.contains(outside), "the page needs {outside}");
    }
    text
}

/// Sends a form as a browser does, without following what it is sent to.
async fn send(emulator: &Emulator, action: &str, form: &[(&str, &str)]) -> (StatusCode, String) {
    let http = emulator.trusting().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let response = http.post(format!("{}{action}", emulator.url)).form(form).send().await.unwrap();
    let status = response.status();
    let place = response.headers().get("location").map(|place| place.to_str().unwrap().to_owned());
    (status, place.unwrap_or(response.text().await.unwrap()))
}

/// What stands between two texts.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}"));
    rest.split_once(end).unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_added_seen_in_effect_and_removed_by_the_page_s_forms() {
    let emulator = Emulator::start().await;
    let workspace = emulator.workspace().await;
    let form = page(&emulator, "").await;
    let action = between(&form, "method=\"post\" action=\"/_emulator/page/faults\"", "</form>");
    for field in
        ["name=\"preset\"", "name=\"path\"", "name=\"method\"", "name=\"count\"", "value=\"429\"", "value=\"hang\""]
    {
        assert!(action.contains(field), "{field}");
    }
    let fields = [
        ("preset", "429"),
        ("path", "/computes"),
        ("method", "GET"),
        ("count", ""),
        ("probability", ""),
        ("effect", ""),
    ];
    let (status, place) = send(&emulator, "/_emulator/page/faults", &fields).await;
    assert_eq!((status, place.as_str()), (StatusCode::SEE_OTHER, "/_emulator/#faults"));
    let stormed = workspace.arm(Method::GET, "computes", Value::Null).await;
    assert_eq!((stormed.status, stormed.headers["retry-after"].to_str().unwrap()), (429, "5"));
    assert_eq!(workspace.arm(Method::GET, "datastores", Value::Null).await.status, 200);

    let shown = page(&emulator, "").await;
    let active = between(&shown, "<div id=\"active\"", "</div>");
    assert!(active.contains("retryAfterSeconds") && active.contains("/computes"), "{active}");
    assert!(shown.contains("<b>1</b><span>faults active</span>"), "{shown}");
    let remove = between(active, "action=\"", "\"");
    assert!(remove.ends_with("/remove"), "{remove}");
    assert_eq!(send(&emulator, remove, &[]).await.0, StatusCode::SEE_OTHER);
    assert_eq!(workspace.arm(Method::GET, "computes", Value::Null).await.status, 200);
    assert!(page(&emulator, "").await.contains("Nothing goes wrong on purpose."));

    let (status, told) = send(&emulator, "/_emulator/page/faults", &[("preset", "500"), ("path", "(")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        between(&told, "<p class=\"problem\">", "</p>").contains("pattern can&#39;t be read")
            || told.contains("pattern can't be read")
    );
    let own = [("preset", "500"), ("path", "/computes"), ("effect", "{\"status\": 418}")];
    assert_eq!(send(&emulator, "/_emulator/page/faults", &own).await.0, StatusCode::SEE_OTHER);
    assert_eq!(workspace.arm(Method::GET, "computes", Value::Null).await.status, 418);
    assert_eq!(send(&emulator, "/_emulator/page/faults/clear", &[]).await.0, StatusCode::SEE_OTHER);
    assert_eq!(workspace.arm(Method::GET, "computes", Value::Null).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_is_held_and_sets_the_clock() {
    let emulator = Emulator::start().await;
    let workspace = emulator.workspace().await;
    workspace.put("computes/cpu", compute()).await;
    workspace.register("bank", rows(80)).await;
    workspace.arm(Method::PUT, "jobs/p1", pipeline("bank")).await;
    assert_eq!(workspace.job("p1").await["properties"]["status"], "Completed");
    let endpoint =
        serde_json::json!({"location": "westeurope", "properties": {"authMode": "Key"}, "tags": {"a": "b<c>"}});
    workspace.put("onlineEndpoints/bank", endpoint).await;
    let shown = page(&emulator, "").await;
    let held = between(&shown, "<div id=\"held\"", "<section id=\"faults\">");
    for word in [
        "ws1",
        "bank",
        "mltable",
        "cpu",
        "Standard_DS3_v2",
        "p1",
        "Completed",
        "LogisticRegression",
        "AUC_weighted",
        "trials",
        "Online endpoints",
    ] {
        assert!(held.contains(word), "{word}: {held}");
    }
    assert!(between(&shown, "<div id=\"begun\"", "<section id=\"requests\">").contains("Succeeded"));
    // The log, narrowed by the form beside it.
    let narrowed = page(&emulator, "?contains=%2Fcomputes%2Fcpu&writes=true").await;
    let log = between(&narrowed, "<div id=\"log\"", "</div>");
    assert!(log.contains("/computes/cpu") && !log.contains("/oauth2/"), "{log}");
    assert!(!narrowed.contains(">good<") && !narrowed.contains("=good"), "a secret is shown");

    let now = async || {
        let told = emulator.control(Method::GET, "clock", Value::Null).await;
        told["now"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()
    };
    let before = now().await;
    let (status, place) = send(&emulator, "/_emulator/page/clock", &[("advanceSeconds", "3600"), ("speed", "0")]).await;
    assert_eq!((status, place.as_str()), (StatusCode::SEE_OTHER, "/_emulator/#clock"));
    let stopped = now().await;
    assert!(stopped.duration_since(before) >= jiff::SignedDuration::from_hours(1));
    assert_eq!(now().await, stopped);
    let (status, told) = send(&emulator, "/_emulator/page/clock", &[("advanceSeconds", "soon")]).await;
    assert!(status == StatusCode::BAD_REQUEST && told.contains("advanceSeconds is soon"), "{told}");
}
