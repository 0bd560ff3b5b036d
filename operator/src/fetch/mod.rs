//! Fetches web datasets within the bounds of the configuration: https alone, never from the operator's own network,
//! limited in size and time, streamed to a file with its SHA-256.

pub mod guard;
pub mod work;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use url::Url;

use self::guard::{Allowed, Public, Refusal};
use crate::settings::FetchSettings;

/// How many redirects are followed.
const REDIRECTS: usize = 5;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(15);
/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// The longest tag that is kept.
const TAG_LIMIT: usize = 512;

/// The fetcher can't be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The CA file can't be used.
    #[error("the certificate file {0} (--fetch-ca-file) can't be used: {1}")]
    Ca(String, String),
    /// TLS can't be set up.
    #[error("the HTTP client for datasets can't be built: {0}")]
    Http(#[from] reqwest::Error),
}

/// A file could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The configuration does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is not an address.
    #[error("{0:?} is not an address: {1}")]
    Address(String, url::ParseError),
    /// The server says that there is nothing (for us).
    #[error("{host} answered {status}")]
    Missing {
        /// The server.
        host: String,
        /// Its answer.
        status: StatusCode,
    },
    /// The server has a trouble of its own.
    #[error("{host} answered {status}")]
    Trouble {
        /// The server.
        host: String,
        /// Its answer.
        status: StatusCode,
    },
    /// No whole answer came.
    #[error("{host} gave no whole answer: {message}")]
    NoAnswer {
        /// The server.
        host: String,
        /// What went wrong.
        message: String,
    },
    /// Redirected too often, or to nowhere.
    #[error("{0} redirects to nowhere or too often")]
    Redirects(String),
    /// More bytes than allowed.
    #[error(
        "the file is larger than {0} bytes, which is the most that the operator's configuration allows (--fetch-max-bytes)"
    )]
    TooLarge(u64),
    /// It took too long.
    #[error("the file was not here after {} s (--fetch-timeout)", .0.as_secs())]
    TooSlow(Duration),
    /// The disk.
    #[error("the file can't be kept: {0}")]
    Disk(#[from] std::io::Error),
}

/// A file that was fetched.
#[derive(Debug)]
pub struct Download {
    /// Its bytes; deleted with the last who holds it.
    pub file: NamedTempFile,
    /// How many.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// The ETag or Last-Modified that the server sent with it.
    pub tag: Option<String>,
    /// The last part of the address's path.
    pub name: String,
}

/// What fetching brought.
#[derive(Debug)]
pub enum Fetched {
    /// The file is as it was under the tag that was sent.
    Unchanged,
    /// The file.
    Whole(Download),
}

/// What fetches web datasets. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// For hosts that the configuration names.
    trusting: reqwest::Client,
    /// For all others: names resolve to public addresses alone.
    careful: reqwest::Client,
    allowed: Arc<Allowed>,
    max_bytes: u64,
    timeout: Duration,
    /// Downloads and uploads under way.
    pub work: Arc<work::Work>,
}

impl Fetcher {
    /// A fetcher for these bounds.
    ///
    /// # Errors
    /// When the CA file can't be used.
    pub fn new(settings: &FetchSettings) -> Result<Self, BuildError> {
        let mut certificates = Vec::new();
        if let Some(path) = &settings.ca_file {
            let wrong = |error: String| BuildError::Ca(path.display().to_string(), error);
            let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
            certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
        }
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("azureml-operator/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT)
                .read_timeout(SILENCE)
                // A proxy would connect to what was not judged here.
                .no_proxy()
                // The digest is over the file, not over what a decoder makes of it.
                .no_gzip()
                .redirect(reqwest::redirect::Policy::none())
                .tls_certs_merge(certificates.clone())
        };
        Ok(Self {
            trusting: builder().build()?,
            careful: builder().dns_resolver(Arc::new(Public)).build()?,
            allowed: Arc::new(Allowed::new(settings)),
            max_bytes: settings.max_bytes,
            timeout: settings.timeout,
            work: Arc::default(),
        })
    }

    /// Fetches a file, or hears that it is as it was under `tag`.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn fetch(&self, address: &str, tag: Option<&str>) -> Result<Fetched, FetchError> {
        match tokio::time::timeout(self.timeout, self.follow(address, tag)).await {
            Ok(result) => result,
            Err(_) => Err(FetchError::TooSlow(self.timeout)),
        }
    }

    async fn follow(&self, address: &str, tag: Option<&str>) -> Result<Fetched, FetchError> {
        let mut url = Url::parse(address).map_err(|error| FetchError::Address(address.to_owned(), error))?;
        let name = file_name(&url);
        for _ in 0..=REDIRECTS {
            guard::judge(&url, &self.allowed)?;
            let host = url.host_str().unwrap_or_default().to_owned();
            let client = if self.allowed.trusts(&url) { &self.trusting } else { &self.careful };
            let mut request = client.get(url.clone());
            if let Some(tag) = tag {
                // An HTTP date begins with the name of a day, an ETag with a quote.
                let header = if tag.contains('"') { IF_NONE_MATCH } else { IF_MODIFIED_SINCE };
                request = request.header(header, tag);
            }
            let response = request.send().await.map_err(|error| no_answer(&host, &error))?;
            let status = response.status();
            if status == StatusCode::NOT_MODIFIED && tag.is_some() {
                return Ok(Fetched::Unchanged);
            }
            if status.is_success() {
                return self.receive(response, &host, name).await.map(Fetched::Whole);
            }
            if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
                return Err(if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                    FetchError::Trouble { host, status }
                } else {
                    FetchError::Missing { host, status }
                });
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let next = location.and_then(|location| url.join(location).ok());
            url = next.ok_or(FetchError::Redirects(host))?;
        }
        Err(FetchError::Redirects(url.host_str().unwrap_or_default().to_owned()))
    }

    async fn receive(&self, mut response: reqwest::Response, host: &str, name: String) -> Result<Download, FetchError> {
        if response.content_length().is_some_and(|length| length > self.max_bytes) {
            return Err(FetchError::TooLarge(self.max_bytes));
        }
        let tag = tag_of(response.headers());
        let mut file = NamedTempFile::new()?;
        let (mut size, mut digest) = (0_u64, Sha256::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| no_answer(host, &error))? {
            size += chunk.len() as u64;
            if size > self.max_bytes {
                return Err(FetchError::TooLarge(self.max_bytes));
            }
            digest.update(&chunk);
            file.write_all(&chunk)?;
        }
        file.flush()?;
        let sha256 = data_encoding::HEXLOWER.encode(&digest.finalize());
        Ok(Download { file, size, sha256, tag, name })
    }
}

fn tag_of(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    text(ETAG).filter(|tag| tag.contains('"')).or_else(|| text(LAST_MODIFIED)).filter(|tag| tag.len() <= TAG_LIMIT)
}

/// The last part of the path, in characters that every file system and store takes.
fn file_name(url: &Url) -> String {
    let last = url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
    let safe: String = last
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() || "._-".contains(character) { character } else { '_' })
        .take(100)
        .collect();
    if safe.chars().any(|character| character.is_ascii_alphanumeric()) { safe } else { "data".to_owned() }
}

fn no_answer(host: &str, error: &reqwest::Error) -> FetchError {
    let mut words = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(refusal) = inner.downcast_ref::<Refusal>() {
            return FetchError::Refused(refusal.clone());
        }
        words.push(inner.to_string());
        source = inner.source();
    }
    let message = if error.is_timeout() {
        "the time for an answer ran out".to_owned()
    } else {
        words.pop().unwrap_or_else(|| "the connection failed".to_owned())
    };
    FetchError::NoAnswer { host: host.to_owned(), message }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
