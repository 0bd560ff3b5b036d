//! A page for people: what the emulator holds, what it was asked last, what goes wrong on purpose, and what time it is.
//! Forms do what a person asks; a script only keeps what is shown fresh.

mod html;
mod presets;
mod workspaces;

use super::requests::Wanted;
use crate::access::role_name;
use crate::server::App;
use crate::surface::http::{Incoming, pairs};
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use html::{Html, escaped, mono, row, short, state, status, table};
use presets::PRESETS;
use serde_json::Value;
use std::collections::BTreeMap;

/// Requests and operations that the page shows; the whole log is at `requests`.
const NEWEST: usize = 100;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Answers what a browser asks: the page, and what its forms send.
pub(super) fn answer(app: &App, incoming: &Incoming, path: &[&str]) -> Option<Response<Body>> {
    let form = || pairs(&String::from_utf8_lossy(&incoming.body));
    Some(match (incoming.method.as_str(), path) {
        ("GET", []) => shown(app, incoming, None),
        ("POST", ["page", "faults"]) => match put_fault(app, &form()) {
            Ok(()) => back("faults"),
            Err(why) => shown(app, incoming, Some(&why)),
        },
        ("POST", ["page", "faults", "clear"]) => {
            app.estate.faults.clear();
            back("faults")
        }
        ("POST", ["page", "faults", id, "remove"]) => {
            app.estate.faults.remove(id);
            back("faults")
        }
        ("POST", ["page", "clock"]) => match set_clock(app, &form()) {
            Ok(()) => back("clock"),
            Err(why) => shown(app, incoming, Some(&why)),
        },
        _ => return None,
    })
}

fn put_fault(app: &App, form: &BTreeMap<String, String>) -> Result<(), String> {
    let fault = presets::fault(form)?;
    app.estate.faults.add(fault).map(drop).map_err(|why| why.to_string())
}

fn set_clock(app: &App, form: &BTreeMap<String, String>) -> Result<(), String> {
    // Names of fields are in lower case here.
    let number =
        |name: &str| match form.get(&name.to_ascii_lowercase()).map(|text| text.trim()).filter(|text| !text.is_empty())
        {
            None => Ok(None),
            Some(text) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() && number >= 0.0 => Ok(Some(number)),
                _ => Err(format!("{name} is {text}: write a number that is not negative.")),
            },
        };
    app.estate.clock.set(number("advanceSeconds")?.unwrap_or(0.0), number("speed")?);
    crate::schedules::fire::tick(app);
    Ok(())
}

/// Back to the page, after a form did what it should.
fn back(part: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(place) = HeaderValue::from_str(&format!("/_emulator/#{part}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

fn shown(app: &App, incoming: &Incoming, problem: Option<&str>) -> Response<Body> {
    let mut response = Response::new(Body::from(page(app, &pairs(&incoming.query), problem)));
    if problem.is_some() {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn page(app: &App, query: &BTreeMap<String, String>, problem: Option<&str>) -> String {
    let mut counts = workspaces::Counts::default();
    let workspaces = workspaces::sections(app, &mut counts);
    let workspaces =
        if workspaces.is_empty() { "<p class=\"none\">No workspace yet.</p>".to_owned() } else { workspaces };
    let problem = problem.map(|why| format!("<p class=\"problem\">{}</p>", escaped(why))).unwrap_or_default();
    let (faults, operations) = (faults(app), operations(app));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Azure ML emulator</title><style>{STYLE}</style></head><body>\
         <header><h1>Azure ML <b>emulator</b></h1><nav><a href=\"#workspaces\">Workspaces</a><a href=\"#faults\">Faults</a>\
         <a href=\"#clock\">Clock</a><a href=\"#operations\">Operations</a><a href=\"#requests\">Requests</a>\
         <a href=\"#access\">Access</a></nav><span class=\"right\"><span id=\"now\" data-live>{}</span>\
         <label class=\"row\"><input type=\"checkbox\" id=\"live\" checked> live</label></span></header><main>{problem}\
         <div class=\"cards\" id=\"cards\" data-live>{}</div>\
         <section id=\"workspaces\"><h2>Workspaces</h2><div id=\"held\" data-live>{workspaces}</div></section>\
         <section id=\"faults\"><h2>Faults</h2><div id=\"active\" data-live>{faults}</div>{}</section>\
         <section id=\"clock\"><h2>Clock</h2>{CLOCK}</section>\
         <section id=\"operations\"><h2>Operations, newest first</h2><div id=\"begun\" data-live>{operations}</div></section>\
         <section id=\"requests\"><h2>Requests, newest first</h2>{}</section>\
         <section id=\"access\"><h2>Access</h2><div id=\"known\" data-live>{}</div></section>\
         </main><script>{SCRIPT}</script></body></html>",
        now(app),
        cards(app, &counts),
        fault_form(),
        requests(app, query),
        access(app),
    )
}

fn now(app: &App) -> String {
    let speed = app.estate.clock.speed();
    let pace = if (speed - 1.0).abs() < f64::EPSILON { String::new() } else { format!(", {speed} seconds a second") };
    format!("{:.0}{pace}", app.estate.clock.now())
}

fn cards(app: &App, counts: &workspaces::Counts) -> String {
    let faults = app.estate.faults.all()["faults"].as_array().map_or(0, Vec::len);
    let pending = app.estate.operations.newest(usize::MAX).iter().filter(|(_, _, state)| state == "InProgress").count();
    let card = |count: usize, what: &str, class: &str| {
        format!("<div class=\"card {class}\"><b>{count}</b><span>{what}</span></div>")
    };
    [
        card(counts.workspaces, "workspaces", ""),
        card(counts.assets, "asset versions", ""),
        card(counts.jobs, "jobs", ""),
        card(counts.jobs_under_way, "jobs under way", ""),
        card(counts.endpoints, "endpoints", ""),
        card(pending, "operations in progress", ""),
        card(faults, "faults active", if faults > 0 { "alarm" } else { "" }),
    ]
    .concat()
}

/// Active faults, each with a button that removes it.
fn faults(app: &App) -> String {
    let all = app.estate.faults.all();
    let all = all.get("faults").and_then(Value::as_array).cloned().unwrap_or_default();
    if all.is_empty() {
        return "<p class=\"none\">Nothing goes wrong on purpose.</p>".to_owned();
    }
    let rows: String = all.iter().map(|fault| {
        let text = |name: &str| fault.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| fault.get(name).and_then(Value::as_u64).unwrap_or_default().to_string();
        let remove = format!(
            "<form method=\"post\" action=\"/_emulator/page/faults/{}/remove\"><button class=\"quiet\">Remove</button></form>",
            escaped(text("id"))
        );
        let effect = fault.get("effect").map(Value::to_string).unwrap_or_default();
        row([text("method").into(), mono(text("path").trim_start_matches("(?is)")), mono(&effect), number("hits").into(), number("holding").into(), Html(remove)])
    }).collect();
    table(&["Method", "Path", "Effect", "Hits", "Holding", ""], &rows)
        + "<form method=\"post\" action=\"/_emulator/page/faults/clear\"><button class=\"quiet\">Remove all</button></form>"
}

fn fault_form() -> String {
    let option = |preset: &presets::Preset| {
        format!(
            "<option value=\"{}\" data-path=\"{}\" data-what=\"{}\">{}</option>",
            preset.name,
            escaped(preset.path),
            escaped(preset.what),
            escaped(preset.label)
        )
    };
    let options: String = PRESETS.iter().map(option).collect();
    format!(
        "<h3>Add one</h3><form class=\"line\" method=\"post\" action=\"/_emulator/page/faults\">\
         <label>What <select name=\"preset\" id=\"preset\">{options}</select></label>\
         <label>Path (pattern) <input class=\"wide\" name=\"path\" id=\"path\" placeholder=\"^/subscriptions/\"></label>\
         <label>Method <select name=\"method\"><option value=\"\">any</option><option>GET</option><option>PUT</option>\
         <option>PATCH</option><option>POST</option><option>DELETE</option></select></label>\
         <label>How often <input class=\"small\" name=\"count\" inputmode=\"numeric\" placeholder=\"always\"></label>\
         <label>Share <input class=\"small\" name=\"probability\" inputmode=\"decimal\" placeholder=\"1\"></label>\
         <button>Add</button>\
         <details style=\"flex-basis:100%\"><summary>An effect of your own</summary>\
         <textarea name=\"effect\" placeholder='{{\"status\": 503, \"retryAfterSeconds\": 30}}'></textarea>\
         <p class=\"none\">JSON; <a href=\"/_emulator/faults\">/_emulator/faults</a> tells all effects.</p></details></form>\
         <p class=\"none\" id=\"what\"></p>"
    )
}

const CLOCK: &str = "<form class=\"line\" method=\"post\" action=\"/_emulator/page/clock\">\
 <label>Step forward <select name=\"advanceSeconds\"><option value=\"0\">not</option><option value=\"60\">1 minute</option>\
 <option value=\"3600\">1 hour</option><option value=\"86400\">1 day</option><option value=\"604800\">1 week</option></select></label>\
 <label>Speed <select name=\"speed\"><option value=\"\">as it is</option><option value=\"0\">stopped</option><option value=\"1\">as the \
 machine's</option><option value=\"60\">a minute a second</option><option value=\"3600\">an hour a second</option></select></label>\
 <button>Set</button></form><p class=\"none\">Tokens and signatures expire, and schedules fire, by this clock.</p>";

fn operations(app: &App) -> String {
    let rows = app.estate.operations.newest(NEWEST).into_iter().map(|(id, begun, ended)| {
        let (word, why) = ended.split_once(": ").unwrap_or((&ended, ""));
        row([
            short(&format!("{begun:.3}"), &begun.strftime("%H:%M:%S%.3f").to_string()),
            mono(&id),
            state(word),
            why.into(),
        ])
    });
    table(&["Begun", "Operation", "State", "Why"], &rows.collect::<String>())
}

/// The newest requests of the log, by what the form beside them asks for.
fn requests(app: &App, query: &BTreeMap<String, String>) -> String {
    let text = |key: &str| query.get(key).map_or("", String::as_str);
    let wanted = Wanted { since: 0, contains: text("contains").to_ascii_lowercase(), writes: text("writes") == "true" };
    let rows = app.estate.requests.newest(&wanted, NEWEST).into_iter().map(|seen| {
        let address = if seen.query.is_empty() { seen.path } else { format!("{}?{}", seen.path, seen.query) };
        let time = short(&format!("{:.3}", seen.time), &seen.time.strftime("%H:%M:%S%.3f").to_string());
        let principal = seen.principal.unwrap_or_default();
        let principal = short(&principal, principal.split('-').next().unwrap_or_default());
        row([time, seen.method.into(), mono(&address), principal, status(seen.status)])
    });
    format!(
        "<form class=\"line\" method=\"get\" action=\"/_emulator/#requests\"><label>Path contains \
         <input class=\"wide\" name=\"contains\" value=\"{}\"></label><label class=\"row\"><input type=\"checkbox\" name=\"writes\" \
         value=\"true\"{}> writes only</label><button>Filter</button></form><div id=\"log\" data-live>{}</div>",
        escaped(text("contains")),
        if wanted.writes { " checked" } else { "" },
        table(&["Time", "Method", "Path", "Principal", "Status"], &rows.collect::<String>())
    )
}

fn access(app: &App) -> String {
    let world = app.estate.world();
    let principals: String = world
        .principals()
        .map(|known| {
            let mut ways = vec![];
            ways.extend(known.secret.as_ref().map(|_| "secret"));
            ways.extend((!known.certificates.is_empty()).then_some("certificate"));
            ways.extend((!known.federated.is_empty()).then_some("federated"));
            ways.extend(known.managed.then_some("managed identity"));
            row([mono(&known.tenant), mono(&known.client_id), mono(&known.object_id), ways.join(", ").into()])
        })
        .collect();
    let assignments: String = world
        .assignments()
        .map(|known| row([mono(&known.principal), role_name(&known.role).into(), mono(&known.scope)]))
        .collect();
    format!(
        "<h3>Principals</h3>{}<h3>Role assignments</h3>{}",
        table(&["Tenant", "Client id", "Object id", "Signs in by"], &principals),
        table(&["Object id", "Role", "Scope"], &assignments)
    )
}
