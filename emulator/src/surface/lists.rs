//! Lists: their pages, their order, and what of them is wanted.

use super::Call;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// What does not stand for itself in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How lists are cut.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lists {
    /// Most entries on a page; as many as the surface says when it is nothing.
    pub(crate) page_size: usize,
    /// What was made after this is not in lists yet.
    pub(crate) seen_until: Option<Timestamp>,
}

impl Lists {
    fn sees(&self, entry: &Value) -> bool {
        let Some(until) = self.seen_until else { return true };
        let made = entry.pointer("/systemData/createdAt").and_then(Value::as_str);
        made.and_then(|made| made.parse::<Timestamp>().ok()).is_none_or(|made| made <= until)
    }
}

impl Call {
    /// The page that `$skip` and `$top` ask for, with `nextLink`.
    pub(crate) fn page(&self, all: Vec<Value>, most: usize) -> Value {
        self.page_at(&format!("{}/{}", self.workspace, self.path.join("/")), all, most)
    }

    /// The same of a list at a path.
    pub(crate) fn page_at(&self, path: &str, mut all: Vec<Value>, most: usize) -> Value {
        all.retain(|entry| self.lists.sees(entry));
        let most = if self.lists.page_size == 0 { most } else { most.min(self.lists.page_size) };
        let top = ["$top", "count"].iter().find_map(|key| self.text(key)?.parse().ok()).unwrap_or(most).clamp(1, most);
        let skip = self.text("$skip").map_or(0, |token| resumed(token, &all));
        let last = (skip + top).min(all.len());
        let next = (last < all.len()).then(|| token(last, all.get(last.saturating_sub(1))));
        let mut page = json!({"value": all.get(skip..last).unwrap_or_default()});
        if let Some(next) = next {
            let own = self.query.iter().filter(|(key, _)| *key != "$skip");
            let own = own.map(|(key, value)| (cased(key), value.as_str())).chain([("$skip", next.as_str())]);
            let query: Vec<String> = own.map(|(key, value)| format!("{key}={}", encoded(value))).collect();
            page["nextLink"] = Value::from(format!("{}{path}?{}", self.base, query.join("&")));
        }
        page
    }
}

/// The name of a parameter as Azure writes it.
fn cased(key: &str) -> &str {
    const NAMES: [&str; 6] = ["listViewType", "jobType", "orderBy", "$orderBy", "computeType", "orderByAsc"];
    NAMES.into_iter().find(|name| name.eq_ignore_ascii_case(key)).unwrap_or(key)
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

fn name_of(entry: &Value) -> &str {
    entry.get("id").or_else(|| entry.get("name")).and_then(Value::as_str).unwrap_or_default()
}

/// Where a page ended: how many there were, and the last of them. Nobody outside reads it.
fn token(at: usize, last: Option<&Value>) -> String {
    URL_SAFE_NO_PAD.encode(format!("{at} {}", last.map_or("", name_of)))
}

/// Where a list goes on after a page, though something was made or removed before that meanwhile.
fn resumed(token: &str, all: &[Value]) -> usize {
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    // Clients that count for themselves send a number.
    let Some(text) = text.filter(|text| text.contains(' ')) else { return token.parse().unwrap_or(0) };
    let (at, last) = text.split_once(' ').unwrap_or((&text, ""));
    let found = all.iter().position(|entry| !last.is_empty() && name_of(entry) == last);
    found.map_or_else(|| at.parse().unwrap_or(0), |found| found + 1).min(all.len())
}

/// Entries in the order that is asked for, such as `createdtime desc` or `UpdatedTimeAsc`; as they are when none is.
pub(crate) fn ordered(mut all: Vec<Value>, by: Option<&str>) -> Vec<Value> {
    let Some(by) = by.map(str::to_ascii_lowercase) else { return all };
    let field = if by.contains("update") || by.contains("modified") { "lastModifiedAt" } else { "createdAt" };
    let time = |entry: &Value| {
        let text = entry.get("systemData").and_then(|data| data.get(field).or_else(|| data.get("createdAt"))?.as_str());
        text.and_then(|text| text.parse::<Timestamp>().ok()).unwrap_or_default()
    };
    if by.contains("desc") {
        // Of the same instant, the one that was made last comes first.
        all.reverse();
        all.sort_by_key(|entry| std::cmp::Reverse(time(entry)));
    } else {
        all.sort_by_key(time);
    }
    all
}

/// Whether a map of texts has all of a list such as `a=1,b`.
pub(crate) fn has_all(map: Option<&Value>, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted else { return true };
    wanted.split(',').map(str::trim).filter(|pair| !pair.is_empty()).all(|pair| {
        let (name, value) = pair.split_once('=').map_or((pair, None), |(name, value)| (name, Some(value)));
        let known = map.and_then(|map| map.get(name)).and_then(Value::as_str);
        known.is_some_and(|known| value.is_none_or(|value| known == value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(names: &[&str]) -> Vec<Value> {
        names.iter().map(|name| json!({"id": name, "name": name})).collect()
    }

    fn ask(query: &[(&str, &str)], lists: Lists) -> Call {
        let query = query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Call { base: "https://h".into(), query, lists, ..Call::default() }
    }

    fn next(page: &Value) -> String {
        let link = page["nextLink"].as_str().unwrap();
        let token = link.split("%24skip=").nth(1).or_else(|| link.split("$skip=").nth(1)).unwrap();
        token.to_owned()
    }

    #[test]
    fn a_list_goes_on_where_a_page_ended_whatever_was_removed_before() {
        let lists = Lists { page_size: 2, seen_until: None };
        let page = ask(&[("$filter", "a b&c")], lists).page_at("/x", entries(&["a", "b", "c", "d", "e"]), 100);
        assert_eq!(page["value"], json!(entries(&["a", "b"])));
        assert!(page["nextLink"].as_str().unwrap().starts_with("https://h/x?$filter=a%20b%26c&$skip="), "{page}");
        let token = next(&page);
        assert!(token.parse::<u64>().is_err(), "{token}");
        let page = ask(&[("$skip", &token)], lists).page_at("/x", entries(&["b", "c", "d", "e"]), 100);
        assert_eq!(page["value"], json!(entries(&["c", "d"])));
        let page = ask(&[("$skip", &next(&page)), ("$top", "9")], lists).page_at("/x", entries(&["c", "d", "e"]), 100);
        assert_eq!((&page["value"], page.get("nextLink")), (&json!(entries(&["e"])), None));
    }

    #[test]
    fn what_is_too_young_is_in_no_list_yet() {
        let made = |at: &str| json!({"id": at, "systemData": {"createdAt": at}});
        let all = vec![made("2026-01-01T00:00:00Z"), made("2026-01-01T00:00:05Z")];
        let lists = Lists { page_size: 0, seen_until: "2026-01-01T00:00:04Z".parse().ok() };
        assert_eq!(ask(&[], lists).page_at("/x", all.clone(), 100)["value"], json!([all[0]]));
    }

    #[test]
    fn entries_stand_in_the_order_that_is_asked_for() {
        let made = |id: &str, created: &str, changed: &str| {
            json!({"id": id, "systemData": {
                "createdAt": format!("2026-01-0{created}T00:00:00Z"), "lastModifiedAt": format!("2026-01-0{changed}T00:00:00Z")}})
        };
        let all = [made("a", "1", "9"), made("b", "2", "2"), made("c", "2", "3")];
        let order = |by: Option<&str>| {
            let all = ordered(all.to_vec(), by);
            all.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect::<String>()
        };
        for (by, expected) in [
            (None, "abc"),
            (Some("createdtime desc"), "cba"),
            (Some("CreatedTimeAsc"), "abc"),
            (Some("UpdatedTimeDesc"), "acb"),
        ] {
            assert_eq!(order(by), expected, "{by:?}");
        }
    }

    #[test]
    fn tags_are_looked_for_by_name_or_by_name_and_value() {
        let tags = json!({"a": "1", "b": "2"});
        for (wanted, expected) in
            [(None, true), (Some("a"), true), (Some("a=1,b"), true), (Some("a=2"), false), (Some("a,c"), false)]
        {
            assert_eq!(has_all(Some(&tags), wanted), expected, "{wanted:?}");
        }
        assert!(!has_all(None, Some("a")));
    }
}
