//! A page for people: what the emulator holds.

use crate::server::App;
use serde_json::Value;

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn row(cells: &[&str]) -> String {
    let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", escaped(cell))).collect();
    format!("<tr>{cells}</tr>")
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The page.
pub(super) fn page(app: &App) -> String {
    let world = app.estate.world();
    let workspaces: Vec<(String, String)> =
        world.workspaces().map(|(key, known)| (key.to_owned(), text(known, "/id").to_owned())).collect();
    let principals: String =
        world.principals().map(|known| row(&[&known.tenant, &known.client_id, &known.object_id])).collect();
    let assignments: String =
        world.assignments().map(|known| row(&[&known.principal, &known.role, &known.scope])).collect();
    drop(world);
    let mut sections = String::new();
    for (key, id) in workspaces {
        let state = super::state::of(app, &key, "");
        let resources = state.get("resources").and_then(Value::as_object).into_iter().flatten();
        let rows: String = resources
            .filter(|(known, _)| !known.eq_ignore_ascii_case(&id))
            .map(|(known, body)| {
                let name = known.get(id.len()..).unwrap_or(known).trim_start_matches('/');
                let status = [text(body, "/properties/status"), text(body, "/properties/provisioningState")].concat();
                row(&[name, &status])
            })
            .collect();
        sections += &format!("<h2>{}</h2><table>{rows}</table>", escaped(&id));
    }
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Azure ML emulator</title>\
         <style>body{{font-family:sans-serif;margin:2em}}td{{padding:.1em 1em .1em 0}}h2{{font-size:1em}}</style></head>\
         <body><h1>Azure ML emulator</h1><p>Its clock says {}.</p>{sections}\
         <h2>Principals</h2><table>{principals}</table><h2>Role assignments</h2><table>{assignments}</table></body></html>",
        app.estate.clock.now()
    )
}
