//! A page for people: what the emulator holds, and what it was asked last.

use crate::access::role_name;
use crate::server::App;
use serde_json::Value;

/// Requests that the page shows; the whole log is at `requests`.
const NEWEST: usize = 25;

const STYLE: &str = "body{font-family:system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#1b1b2f}\
 h1{font-size:1.5em}h2{font-size:1.05em;margin:1.8em 0 .4em;overflow-wrap:anywhere}\
 table{border-collapse:collapse;width:100%}th{text-align:left;font-weight:600;color:#556}\
 th,td{padding:.25em 1em .25em 0;border-bottom:1px solid #e3e6ee;vertical-align:top;overflow-wrap:anywhere}\
 code{background:#f2f4f9;padding:.1em .3em}.none{color:#778}";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn cells(tag: &str, cells: &[&str]) -> String {
    cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect()
}

fn row(columns: &[&str]) -> String {
    format!("<tr>{}</tr>", cells("td", columns))
}

fn table(heads: &[&str], rows: &str) -> String {
    if rows.is_empty() {
        return "<p class=\"none\">Nothing yet.</p>".to_owned();
    }
    format!("<table><thead><tr>{}</tr></thead><tbody>{rows}</tbody></table>", cells("th", heads))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What is worth knowing of a resource beside its state.
fn detail(body: &Value) -> String {
    let traffic = body.pointer("/properties/traffic").and_then(Value::as_object);
    if let Some(traffic) = traffic.filter(|traffic| !traffic.is_empty()) {
        let shares: Vec<String> = traffic.iter().map(|(deployment, share)| format!("{deployment} {share} %")).collect();
        return shares.join(", ");
    }
    let known = ["/properties/model", "/properties/modelUri", "/properties/dataUri", "/properties/experimentName"];
    known.iter().map(|pointer| text(body, pointer)).find(|found| !found.is_empty()).unwrap_or_default().to_owned()
}

fn workspace(app: &App, key: &str, id: &str) -> String {
    let state = super::state::of(app, key, "");
    let resources = state.get("resources").and_then(Value::as_object).into_iter().flatten();
    let rows: String = resources
        .filter(|(known, _)| !known.eq_ignore_ascii_case(id))
        .map(|(known, body)| {
            let name = known.get(id.len()..).unwrap_or(known).trim_start_matches('/');
            let status = [text(body, "/properties/status"), text(body, "/properties/provisioningState")].concat();
            row(&[name, &status, &detail(body)])
        })
        .collect();
    format!("<h2>{}</h2>{}", escaped(id), table(&["Resource", "State", "Detail"], &rows))
}

/// The page.
pub(super) fn page(app: &App) -> String {
    let world = app.estate.world();
    let workspaces: Vec<(String, String)> =
        world.workspaces().map(|(key, known)| (key.to_owned(), text(known, "/id").to_owned())).collect();
    let principals: String =
        world.principals().map(|known| row(&[&known.tenant, &known.client_id, &known.object_id])).collect();
    let assignments: String =
        world.assignments().map(|known| row(&[&known.principal, role_name(&known.role), &known.scope])).collect();
    drop(world);
    let workspaces: String = workspaces.iter().map(|(key, id)| workspace(app, key, id)).collect();
    let newest = app.estate.requests.newest(NEWEST);
    let requests: String = newest.iter().map(|cells| row(&cells.each_ref().map(String::as_str))).collect();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Azure ML emulator</title><style>{STYLE}</style>\
         </head><body><h1>Azure ML emulator</h1><p>Its clock says {:.0}. Beside this page: <code>requests</code>, \
         <code>state?workspace=…</code>, <code>cloud</code>, and by POST <code>faults</code>, <code>clock</code>, \
         <code>workspaces</code>, <code>roleassignments</code>.</p>{workspaces}\
         <h2>Principals</h2>{}<h2>Role assignments</h2>{}<h2>Newest requests</h2>{}</body></html>",
        app.estate.clock.now(),
        table(&["Tenant", "Client id", "Object id"], &principals),
        table(&["Object id", "Role", "Scope"], &assignments),
        table(&["Time", "Method", "Path", "Status"], &requests),
    )
}
