//! A web site on loopback whose files a test sets, changes and takes away.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::failure::{Result, While};
use crate::places;
use crate::tls::{self, Authority};

/// A file of the site.
#[derive(Clone, Debug)]
enum Page {
    Content {
        bytes: bytes::Bytes,
        tag: Tag,
    },
    /// So many bytes, made while they are sent.
    Made(u64),
    Status(StatusCode),
    Redirect(String),
}

/// How a file tells that it changed.
#[derive(Clone, Debug)]
enum Tag {
    Etag(String),
    LastModified(String),
    /// Not at all.
    None,
}

#[derive(Debug, Default)]
struct Pages {
    pages: BTreeMap<String, Page>,
    /// How often a path was asked for, and how often that could be answered with "not modified".
    hits: BTreeMap<String, (u64, u64)>,
}

/// A web site over HTTPS.
#[derive(Debug)]
pub struct Site {
    host: String,
    folder: TempDir,
    pages: Arc<Mutex<Pages>>,
    handle: Handle<std::net::SocketAddr>,
}

impl Site {
    /// A new one, with nothing on it.
    ///
    /// # Errors
    /// When it can't listen.
    pub async fn start() -> Result<Self> {
        tls::install_provider();
        let folder = places::scratch("site")?;
        let authority = Authority::new("azureml-operator-tests web site")?;
        let leaf = authority.loopback()?;
        tls::write(&folder.path().join("ca.pem"), authority.certificate())?;
        let config = RustlsConfig::from_pem(leaf.certificate.into_bytes(), leaf.key.into_bytes()).await?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let host = listener.local_addr()?.to_string();
        let pages = Arc::new(Mutex::new(Pages::default()));
        let router = Router::new().fallback(answer).with_state(pages.clone());
        let handle = Handle::new();
        let server = axum_server::from_tcp_rustls(listener, config)?.handle(handle.clone());
        tokio::spawn(server.serve(router.into_make_service()));
        handle.listening().await.doing("the web site's listener")?;
        Ok(Self { host, folder, pages, handle })
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The certificate authority to trust.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The address of a file.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("https://{}/{path}", self.host)
    }

    /// Puts a file, or other content in its place; its address.
    pub fn set(&self, path: &str, content: impl Into<Vec<u8>>) -> String {
        let bytes = bytes::Bytes::from(content.into());
        let etag = format!("\"{}\"", HEXLOWER.encode(&Sha256::digest(&bytes)[..12]));
        self.put(path, Page::Content { bytes, tag: Tag::Etag(etag) })
    }

    /// The same, told by its last change alone.
    pub fn set_dated(&self, path: &str, content: impl Into<Vec<u8>>, last_modified: &str) -> String {
        let tag = Tag::LastModified(last_modified.to_owned());
        self.put(path, Page::Content { bytes: content.into().into(), tag })
    }

    /// The same, with nothing that tells whether it changed.
    pub fn set_untagged(&self, path: &str, content: impl Into<Vec<u8>>) -> String {
        self.put(path, Page::Content { bytes: content.into().into(), tag: Tag::None })
    }

    /// Puts a file of so many bytes, which are made while they are sent; its address.
    pub fn set_made(&self, path: &str, bytes: u64) -> String {
        self.put(path, Page::Made(bytes))
    }

    /// Answers with a status code; the address.
    pub fn fail(&self, path: &str, status: u16) -> String {
        self.put(path, Page::Status(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)))
    }

    /// Sends on to another address; the address.
    pub fn redirect(&self, path: &str, to: &str) -> String {
        self.put(path, Page::Redirect(to.to_owned()))
    }

    /// Takes a file away: 404 from now on.
    pub fn remove(&self, path: &str) {
        self.pages().pages.remove(path);
    }

    /// How often a path was asked for, and how many of those were answered with "not modified".
    #[must_use]
    pub fn hits(&self, path: &str) -> (u64, u64) {
        self.pages().hits.get(path).copied().unwrap_or_default()
    }

    fn put(&self, path: &str, page: Page) -> String {
        self.pages().pages.insert(path.to_owned(), page);
        self.url(path)
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

/// A file of the checkout's `data/`, unpacked where it is compressed.
///
/// # Errors
/// When there is none.
pub fn data(name: &str) -> Result<Vec<u8>> {
    let path: &Path = &places::root().join("data").join(name);
    let bytes = std::fs::read(path).doing(path.display())?;
    if path.extension().is_none_or(|extension| extension != "gz") {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes.as_slice()), &mut plain)
        .doing(path.display())?;
    Ok(plain)
}

async fn answer(State(pages): State<Arc<Mutex<Pages>>>, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/').to_owned();
    let mut pages = pages.lock().unwrap_or_else(PoisonError::into_inner);
    let page = pages.pages.get(&path).cloned();
    let response = page.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |page| served(&page, &headers));
    let (hits, unchanged) = pages.hits.entry(path).or_default();
    *hits += 1;
    *unchanged += u64::from(response.status() == StatusCode::NOT_MODIFIED);
    response
}

fn served(page: &Page, headers: &HeaderMap) -> Response {
    match page {
        Page::Status(status) => status.into_response(),
        Page::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to.clone())]).into_response(),
        Page::Content { bytes, tag } => {
            let (asked, told, tag) = match tag {
                Tag::Etag(etag) => (header::IF_NONE_MATCH, header::ETAG, etag.as_str()),
                Tag::LastModified(date) => (header::IF_MODIFIED_SINCE, header::LAST_MODIFIED, date.as_str()),
                Tag::None => (header::IF_NONE_MATCH, header::ETAG, ""),
            };
            let known = headers.get(asked).and_then(|value| value.to_str().ok());
            let mut response = if !tag.is_empty() && known == Some(tag) {
                StatusCode::NOT_MODIFIED.into_response()
            } else {
                ([(header::CONTENT_TYPE, "text/csv")], Body::from(bytes.clone())).into_response()
            };
            if let (false, Ok(tag)) = (tag.is_empty(), HeaderValue::from_str(tag)) {
                response.headers_mut().insert(told, tag);
            }
            response
        }
        Page::Made(size) => {
            const PIECE: usize = 256 * 1024;
            let piece = bytes::Bytes::from_static(&[b'x'; PIECE]);
            let left = (0..*size).step_by(PIECE).map({
                let size = *size;
                move |from| piece.slice(..usize::try_from(size - from).unwrap_or(PIECE).min(PIECE))
            });
            let body = futures::stream::iter(left.map(Ok::<_, std::convert::Infallible>));
            ([(header::CONTENT_LENGTH, size.to_string())], Body::from_stream(body)).into_response()
        }
    }
}
