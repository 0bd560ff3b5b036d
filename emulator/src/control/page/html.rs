//! Pieces of HTML.

/// Text as it stands in HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Something that is HTML already.
pub(super) struct Html(pub(super) String);

impl From<&str> for Html {
    fn from(text: &str) -> Self {
        Self(escaped(text))
    }
}

impl From<String> for Html {
    fn from(text: String) -> Self {
        Self(escaped(&text))
    }
}

/// A row of a table.
pub(super) fn row<const N: usize>(cells: [Html; N]) -> String {
    let cells: String = cells.into_iter().map(|Html(cell)| format!("<td>{cell}</td>")).collect();
    format!("<tr>{cells}</tr>")
}

/// A table, or a word where there is nothing.
pub(super) fn table(heads: &[&str], rows: &str) -> String {
    if rows.is_empty() {
        return "<p class=\"none\">Nothing yet.</p>".to_owned();
    }
    let heads: String = heads.iter().map(|head| format!("<th>{}</th>", escaped(head))).collect();
    format!("<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>")
}

/// A state in its colour.
pub(super) fn state(word: &str) -> Html {
    let class = match word {
        "Succeeded" | "Completed" => "good",
        "Failed" => "bad",
        "Canceled" | "CancelRequested" | "Deleting" => "warn",
        "Running" | "Creating" | "Updating" | "Preparing" | "Queued" | "Finalizing" | "InProgress" | "NotStarted" => {
            "busy"
        }
        "" => return Html(String::new()),
        _ => "",
    };
    Html(format!("<span class=\"pill {class}\">{}</span>", escaped(word)))
}

/// A status of HTTP in its colour.
pub(super) fn status(status: Option<u16>) -> Html {
    let Some(status) = status else { return Html("<span class=\"pill busy\">not answered</span>".to_owned()) };
    let class = match status {
        200..=299 => "good",
        300..=399 => "busy",
        400..=499 => "warn",
        _ => "bad",
    };
    Html(format!("<span class=\"pill {class}\">{status}</span>"))
}

/// The start of something long; the rest is told when the pointer is on it.
pub(super) fn short(text: &str, start: &str) -> Html {
    Html(format!("<span class=\"short\" title=\"{}\">{}</span>", escaped(text), escaped(start)))
}

/// Text in the letters of code.
pub(super) fn mono(text: &str) -> Html {
    Html(format!("<span class=\"mono\">{}</span>", escaped(text)))
}
