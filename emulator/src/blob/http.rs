//! The Blob service's REST API: `/blob/{account}/{container}/{path}`, or with the account as the host's first label.

use super::Blob;
use super::signature::SignatureError;
use crate::access::{BLOB_ACTION, allows, covers};
use crate::entra::STORAGE;
use crate::estate::Estate;
use crate::run_history::run::Location;
use crate::surface::http::{Incoming, decoded, pairs};
use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;
use std::collections::BTreeMap;

const PAGE: usize = 5000;

/// A refusal: a status, the service's code, and words.
struct BlobError(u16, &'static str, String);

type Answer = Result<Response<Body>, BlobError>;

/// The account and the rest of the path of a request that is for blobs.
pub(crate) fn account_of(incoming: &Incoming) -> Option<(String, String)> {
    let authority = incoming.base.trim_start_matches("https://");
    if let Some((account, _)) = authority.split_once(".blob.") {
        return Some((account.to_ascii_lowercase(), incoming.path.clone()));
    }
    let rest = incoming.path.strip_prefix("/blob/")?;
    let (account, rest) = rest.split_once('/').unwrap_or((rest, ""));
    Some((account.to_ascii_lowercase(), format!("/{rest}")))
}

/// Answers a request for an account's blobs.
pub(crate) fn answer(estate: &Estate, incoming: &Incoming, account: &str, path: &str) -> Response<Body> {
    let path = decoded(path);
    let path = path.trim_start_matches('/');
    let (container, name) = path.split_once('/').unwrap_or((path, ""));
    let place = Location { account: account.to_owned(), container: container.to_owned(), path: name.to_owned() };
    let service = Service { estate, incoming, query: pairs(&incoming.query), place };
    let mut response = service.answer().unwrap_or_else(|error| refused(&error, incoming.method == "HEAD"));
    let version = incoming.headers.get("x-ms-version").cloned();
    let version = version.unwrap_or(HeaderValue::from_static("2023-11-03"));
    response.headers_mut().insert("x-ms-version", version);
    response
}

struct Service<'a> {
    estate: &'a Estate,
    incoming: &'a Incoming,
    query: BTreeMap<String, String>,
    place: Location,
}

impl Service<'_> {
    fn answer(&self) -> Answer {
        let comp = self.query.get("comp").map_or("", String::as_str);
        let of_container = self.query.get("restype").is_some_and(|kind| kind == "container");
        match (self.incoming.method.as_str(), of_container, comp) {
            ("GET", true, "list") => self.list(),
            ("PUT", true, "") => self.allow("create").map(|()| empty(201)),
            ("GET" | "HEAD", true, "") => self.allow("read").map(|()| empty(200)),
            ("PUT", false, "metadata") => self.describe(),
            ("PUT", false, "block") => self.stage(),
            ("PUT", false, "blocklist") => self.assemble(),
            ("PUT", false, "") => self.put(),
            ("GET" | "HEAD", false, "" | "metadata") => self.get(),
            ("DELETE", false, "") => self.delete(),
            _ => Err(BlobError(400, "InvalidQueryParameterValue", format!("comp={comp} is not known here."))),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.incoming.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Checks the signature, or the token.
    fn allow(&self, what: &str) -> Result<(), BlobError> {
        let (letters, verb) = match what {
            "read" => ("r", "read"),
            "list" => ("l", "read"),
            "delete" => ("d", "delete"),
            _ => ("cw", "write"),
        };
        let place = &self.place;
        if self.query.contains_key("sig") {
            let now = self.estate.clock.now();
            let checked = self.estate.account_key.check(&place.account, &place.container, &self.query, letters, now);
            return checked.map_err(|error| match error {
                SignatureError::Permission => BlobError(403, "AuthorizationPermissionMismatch", error.to_string()),
                _ => BlobError(
                    403,
                    "AuthenticationFailed",
                    format!("Server failed to authenticate the request. {error}"),
                ),
            });
        }
        if self.header("authorization").is_none() {
            let text = "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.";
            return Err(BlobError(401, "NoAuthenticationInformation", text.to_owned()));
        }
        let claims = self.estate.authenticate(&self.incoming.headers, &[STORAGE]);
        let claims = claims.map_err(|error| BlobError(401, "InvalidAuthenticationInfo", error.message))?;
        let world = self.estate.world();
        let action = format!("{BLOB_ACTION}{verb}");
        let suffix = format!("/{}", place.account);
        let mut accounts = world.of_type("Microsoft.Storage/storageAccounts").map(|(id, _)| id);
        let account = accounts.find(|id| id.ends_with(&suffix));
        let allowed = world.assignments().any(|known| {
            known.principal.eq_ignore_ascii_case(&claims.oid)
                && allows(&known.role, &action)
                && account.is_some_and(|account| covers(&known.scope, account))
        });
        if allowed {
            return Ok(());
        }
        let text = "This request is not authorized to perform this operation using this permission.";
        Err(BlobError(403, "AuthorizationPermissionMismatch", text.to_owned()))
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        let named = self.incoming.headers.iter().filter_map(|(name, value)| {
            Some((name.as_str().strip_prefix("x-ms-meta-")?.to_owned(), value.to_str().ok()?.to_owned()))
        });
        named.collect()
    }

    fn content(&self) -> Bytes {
        Bytes::copy_from_slice(&self.incoming.body)
    }

    fn write(&self, content: Bytes) -> Answer {
        let kind = self.header("x-ms-blob-content-type").or_else(|| self.header("content-type"));
        let anew = self.header("if-none-match") == Some("*");
        let now = self.estate.clock.now();
        let kind = kind.unwrap_or("application/octet-stream");
        let put = self.estate.blobs.put(&self.place, content, kind, self.metadata(), anew, now);
        let blob = put.map_err(|error| BlobError(409, "BlobAlreadyExists", error.to_string()))?;
        Ok(told(empty(201), &blob))
    }

    fn put(&self) -> Answer {
        self.allow("write")?;
        match self.header("x-ms-blob-type") {
            Some(kind) if kind.eq_ignore_ascii_case("BlockBlob") => self.write(self.content()),
            Some(_) => Err(BlobError(400, "InvalidHeaderValue", "x-ms-blob-type: BlockBlob is known here.".to_owned())),
            None => Err(BlobError(
                400,
                "MissingRequiredHeader",
                "An HTTP header that's mandatory for this request is not specified: x-ms-blob-type.".to_owned(),
            )),
        }
    }

    fn stage(&self) -> Answer {
        self.allow("write")?;
        let block = self.query.get("blockid").map_or("", String::as_str);
        self.estate.blobs.stage(&self.place, block, self.content());
        Ok(empty(201))
    }

    fn assemble(&self) -> Answer {
        self.allow("write")?;
        let list = String::from_utf8_lossy(&self.incoming.body).into_owned();
        let blocks: Vec<String> = ["Latest", "Uncommitted", "Committed"]
            .iter()
            .find_map(|kind| {
                let (open, close) = (format!("<{kind}>"), format!("</{kind}>"));
                let found: Vec<String> =
                    list.split(&open).skip(1).filter_map(|rest| Some(rest.split_once(&close)?.0.to_owned())).collect();
                (!found.is_empty()).then_some(found)
            })
            .unwrap_or_default();
        let content = self.estate.blobs.assemble(&self.place, &blocks);
        let text = "The specified block list is invalid.";
        self.write(content.ok_or_else(|| BlobError(400, "InvalidBlockList", text.to_owned()))?)
    }

    fn describe(&self) -> Answer {
        self.allow("write")?;
        let blob = self.estate.blobs.describe(&self.place, self.metadata(), self.estate.clock.now());
        Ok(told(empty(200), &blob.ok_or_else(missing)?))
    }

    fn delete(&self) -> Answer {
        self.allow("delete")?;
        if self.estate.blobs.remove(&self.place) { Ok(empty(202)) } else { Err(missing()) }
    }

    fn get(&self) -> Answer {
        self.allow("read")?;
        let blob = self.estate.blobs.get(&self.place).ok_or_else(missing)?;
        let size = blob.content.len();
        let range = self.header("x-ms-range").or_else(|| self.header("range"));
        let (status, from, until) = match range.map(|range| part(range, size)) {
            None => (200, 0, size),
            Some(Some((from, until))) => (206, from, until),
            Some(None) => {
                let text = "The range specified is invalid for the current size of the resource.";
                return Err(BlobError(416, "InvalidRange", text.to_owned()));
            }
        };
        let head = self.incoming.method == "HEAD";
        let body = if head { Body::empty() } else { Body::from(blob.content.slice(from..until)) };
        let mut response = told(Response::new(body), &blob);
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
        let headers = response.headers_mut();
        let mut put = |name: HeaderName, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        };
        put(header::CONTENT_TYPE, &blob.content_type);
        put(header::ACCEPT_RANGES, "bytes");
        put(header::CONTENT_LENGTH, &(until - from).to_string());
        put(HeaderName::from_static("x-ms-blob-type"), "BlockBlob");
        if status == 206 {
            put(header::CONTENT_RANGE, &format!("bytes {from}-{}/{size}", until.saturating_sub(1)));
        }
        for (name, value) in &blob.metadata {
            if let Ok(name) = HeaderName::from_bytes(format!("x-ms-meta-{name}").as_bytes()) {
                put(name, value);
            }
        }
        Ok(response)
    }

    fn list(&self) -> Answer {
        self.allow("list")?;
        let text = |key: &str| self.query.get(key).map_or("", String::as_str);
        let most = text("maxresults").parse().unwrap_or(PAGE).clamp(1, PAGE);
        let start = Location { path: text("prefix").to_owned(), ..self.place.clone() };
        let after = Some(text("marker")).filter(|marker| !marker.is_empty());
        let mut found = self.estate.blobs.list(&start, after, most + 1);
        let more = found.len() > most;
        found.truncate(most);
        let next = if more { found.last().map_or("", |(name, _)| name.as_str()) } else { "" };
        let blobs: String = found.iter().map(|(name, blob)| entry(name, blob)).collect();
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"{}\" ContainerName=\"{}\"><Prefix>{}</Prefix><MaxResults>{most}</MaxResults><Blobs>{blobs}</Blobs><NextMarker>{}</NextMarker></EnumerationResults>",
            escaped(&self.incoming.base),
            escaped(&self.place.container),
            escaped(text("prefix")),
            escaped(next)
        );
        Ok(xml(200, body))
    }
}

fn entry(name: &str, blob: &Blob) -> String {
    format!(
        "<Blob><Name>{}</Name><Properties><Creation-Time>{}</Creation-Time><Last-Modified>{}</Last-Modified><Etag>{}</Etag><Content-Length>{}</Content-Length><Content-Type>{}</Content-Type><BlobType>BlockBlob</BlobType></Properties></Blob>",
        escaped(name),
        http_date(blob.created),
        http_date(blob.modified),
        escaped(blob.etag.trim_matches('"')),
        blob.content.len(),
        escaped(&blob.content_type)
    )
}

fn missing() -> BlobError {
    BlobError(404, "BlobNotFound", "The specified blob does not exist.".to_owned())
}

/// First byte and the one after the last of `bytes=from-[to]`.
fn part(range: &str, size: usize) -> Option<(usize, usize)> {
    let (from, to) = range.trim().strip_prefix("bytes=")?.split_once('-')?;
    let from: usize = from.parse().ok()?;
    let until = to.parse::<usize>().map_or(size, |to| (to + 1).min(size));
    (from < until).then_some((from, until))
}

fn http_date(at: jiff::Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn empty(status: u16) -> Response<Body> {
    crate::surface::http::response(status, &Value::Null)
}

fn xml(status: u16, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

fn told(mut response: Response<Body>, blob: &Blob) -> Response<Body> {
    for (name, value) in [(header::ETAG, blob.etag.clone()), (header::LAST_MODIFIED, http_date(blob.modified))] {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn refused(error: &BlobError, head: bool) -> Response<Body> {
    let BlobError(status, code, message) = error;
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{}</Message></Error>",
        escaped(message)
    );
    let mut response = if head { empty(*status) } else { xml(*status, body) };
    response.headers_mut().insert("x-ms-error-code", HeaderValue::from_static(code));
    response
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn ranges_are_cut_to_the_blob() {
        assert_eq!(part("bytes=2-3", 10), Some((2, 4)));
        assert_eq!(part("bytes=2-", 10), Some((2, 10)));
        assert_eq!(part("bytes=2-99", 10), Some((2, 10)));
        assert_eq!(part("bytes=10-", 10), None);
        assert_eq!(part("rows=1-2", 10), None);
    }
}
