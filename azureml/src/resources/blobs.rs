//! Blobs of a datastore, by shared access signature.

use std::io::SeekFrom;
use std::path::Path;

use bytes::Bytes;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use url::Url;

use super::datastores::Datastore;
use super::listing;
use crate::answer::Answer;
use crate::error::{Class, Error};
use crate::transport::{Auth, Body, Request};
use crate::workspace::Workspace;

/// The longest blob that goes by one request, and the length of a block of a longer one.
const BLOCK: u64 = 16 * 1024 * 1024;
/// How often a block is sent before its failure is the blob's.
const TRIES: u32 = 3;
/// How much of a file is in memory at a time.
const PIECE: usize = 64 * 1024;

/// How many pages a listing is followed for (5,000 blobs each).
const MAX_PAGES: usize = 200;

/// A container that can be written.
#[derive(Clone, Debug)]
pub struct Container {
    workspace: Workspace,
    base: String,
    access: Access,
}

/// How the store knows that the container may be written.
#[derive(Clone, Debug)]
enum Access {
    /// A shared access signature.
    Signature(SecretString),
    /// The workspace's identity has a role on the storage account itself.
    Identity,
}

/// A part of a file, piece by piece.
async fn pieces(file: &Path, from: u64, length: u64) -> std::io::Result<reqwest::Body> {
    let mut file = tokio::fs::File::open(file).await?;
    file.seek(SeekFrom::Start(from)).await?;
    let rest = file.take(length);
    let stream = futures::stream::try_unfold(rest, |mut rest| async move {
        let mut piece = bytes::BytesMut::with_capacity(PIECE);
        let read = rest.read_buf(&mut piece).await?;
        Ok::<_, std::io::Error>((read > 0).then(|| (piece.freeze(), rest)))
    });
    Ok(reqwest::Body::wrap_stream(stream))
}

fn unreadable(path: &str, error: &std::io::Error) -> Error {
    Error::NoAnswer { operation: format!("PUT blob {path}"), message: format!("the file can't be read back: {error}") }
}

/// A blob of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its path in the container.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Changes with its content.
    pub etag: String,
}

impl Workspace {
    /// The container of a blob datastore.
    ///
    /// # Errors
    /// Azure's answer, or that it is no blob datastore.
    pub async fn container(&self, datastore: &Datastore) -> Result<Container, Error> {
        let properties = &datastore.properties;
        let (Some(account), Some(container)) = (&properties.account_name, &properties.container_name) else {
            return Err(Error::Malformed {
                operation: format!("datastores/{}", datastore.name),
                message: "it names no account and container; only blob datastores can be written".to_owned(),
            });
        };
        let base = format!("{}/{container}", self.client().cloud().blob(account));
        // The account's name is what somebody wrote into the datastore.
        self.client().transport().trusted(&format!("datastores/{}", datastore.name), &base)?;
        let access = match self.datastore_signature(&datastore.name).await? {
            Some(signature) => Access::Signature(signature),
            None => Access::Identity,
        };
        Ok(Container { workspace: self.clone(), base, access })
    }

    /// A container from an address that carries its signature.
    pub(crate) fn signed_container(&self, operation: &str, signed: &SecretString) -> Result<Container, Error> {
        let text = signed.expose_secret();
        let (base, signature) = text.split_once('?').unwrap_or((text, ""));
        self.client().transport().trusted(operation, base)?;
        let access = Access::Signature(SecretString::from(signature));
        Ok(Container { workspace: self.clone(), base: base.trim_end_matches('/').to_owned(), access })
    }
}

impl Container {
    /// The size of a blob; `None` where there is none.
    ///
    /// # Errors
    /// The store's answer.
    pub async fn size(&self, path: &str) -> Result<Option<u64>, Error> {
        match self.send(Method::HEAD, path, Vec::new(), Body::None).await {
            Ok(answer) => {
                Ok(Some(answer.header("content-length").and_then(|text| text.parse().ok()).unwrap_or_default()))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the store answers and knows the container; the blob that is asked for need not be there.
    ///
    /// # Errors
    /// The store's answer, or that there was none.
    pub async fn answers(&self) -> Result<(), Error> {
        match self.send(Method::HEAD, "azureml-operator/reachable", Vec::new(), Body::None).await {
            Err(error) if error.is_not_found() && !error.has_code("ContainerNotFound") => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// The container's address, without a signature.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.base
    }

    /// A blob's bytes; `None` where there is none. For small ones: it is held in memory.
    ///
    /// # Errors
    /// The store's answer, or that it is too large.
    pub async fn get(&self, path: &str) -> Result<Option<Bytes>, Error> {
        match self.send(Method::GET, path, Vec::new(), Body::None).await {
            Ok(answer) => Ok(Some(answer.body)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The last bytes of a blob, at most this many; `None` where there is none.
    ///
    /// # Errors
    /// The store's answer.
    pub async fn tail(&self, path: &str, bytes: u64) -> Result<Option<Bytes>, Error> {
        let Some(size) = self.size(path).await? else { return Ok(None) };
        if size == 0 {
            return Ok(Some(Bytes::new()));
        }
        let range = format!("bytes={}-{}", size.saturating_sub(bytes), size - 1);
        match self.send(Method::GET, path, vec![("x-ms-range", range)], Body::None).await {
            Ok(answer) => Ok(Some(answer.body)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The blobs whose path begins with a prefix, in order of their names.
    ///
    /// # Errors
    /// The store's answer.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Blob>, Error> {
        let mut all = Vec::new();
        let mut marker = String::new();
        for _ in 0..MAX_PAGES {
            let mut url = self.url("")?;
            url.query_pairs_mut()
                .append_pair("restype", "container")
                .append_pair("comp", "list")
                .append_pair("prefix", prefix);
            if !marker.is_empty() {
                url.query_pairs_mut().append_pair("marker", &marker);
            }
            let answer = self.send_to(Method::GET, url, Vec::new(), Body::None).await?;
            let (page, next) = listing::read(&String::from_utf8_lossy(&answer.body));
            all.extend(page);
            if next.is_empty() {
                return Ok(all);
            }
            marker = next;
        }
        Err(Error::Malformed {
            operation: format!("listing blobs under {prefix}"),
            message: format!("more than {MAX_PAGES} pages"),
        })
    }

    /// Writes a blob.
    ///
    /// # Errors
    /// The store's answer.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<(), Error> {
        self.send(Method::PUT, path, vec![("x-ms-blob-type", "BlockBlob".to_owned())], Body::Bytes(bytes))
            .await
            .map(drop)
    }

    /// Writes a blob from a file, of which no more than a piece is in memory at a time. A long one goes block by block,
    /// each by a request of its own ("Put Block", "Put Block List"): what fails on the way is sent again alone.
    ///
    /// # Errors
    /// The store's answer, or that the file can't be read.
    pub async fn put_file(&self, path: &str, file: &Path, length: u64) -> Result<(), Error> {
        if length <= BLOCK {
            let whole = pieces(file, 0, length).await.map_err(|error| unreadable(path, &error))?;
            let headers = vec![("x-ms-blob-type", "BlockBlob".to_owned())];
            return self.send(Method::PUT, path, headers, Body::Stream(whole, length)).await.map(drop);
        }
        let mut list = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
        for (number, from) in (0..length).step_by(usize::try_from(BLOCK).unwrap_or(usize::MAX)).enumerate() {
            // All of a blob's have the same length.
            let id = data_encoding::BASE64.encode(format!("{number:06}").as_bytes());
            self.put_block(path, &id, file, from, BLOCK.min(length - from)).await?;
            list += &format!("<Latest>{id}</Latest>");
        }
        list += "</BlockList>";
        let mut url = self.url(path)?;
        url.query_pairs_mut().append_pair("comp", "blocklist");
        self.send_to(Method::PUT, url, Vec::new(), Body::Bytes(list.into())).await.map(drop)
    }

    async fn put_block(&self, path: &str, id: &str, file: &Path, from: u64, length: u64) -> Result<(), Error> {
        let mut tries = 1;
        loop {
            let mut url = self.url(path)?;
            url.query_pairs_mut().append_pair("comp", "block").append_pair("blockid", id);
            let block = pieces(file, from, length).await.map_err(|error| unreadable(path, &error))?;
            match self.send_to(Method::PUT, url, Vec::new(), Body::Stream(block, length)).await {
                Err(error) if tries < TRIES && matches!(error.class(), Class::Retry { .. }) => tries += 1,
                answer => return answer.map(drop),
            }
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: Vec<(&'static str, String)>,
        body: Body,
    ) -> Result<Answer, Error> {
        self.send_to(method, self.url(path)?, headers, body).await
    }

    fn url(&self, path: &str) -> Result<Url, Error> {
        let mut url = Url::parse(&self.base)
            .map_err(|error| Error::Malformed { operation: format!("blob {path}"), message: error.to_string() })?;
        if !path.is_empty()
            && let Ok(mut segments) = url.path_segments_mut()
        {
            segments.extend(path.split('/'));
        }
        if let Access::Signature(signature) = &self.access {
            url.set_query(Some(signature.expose_secret().trim_start_matches('?')));
        }
        Ok(url)
    }

    async fn send_to(
        &self,
        method: Method,
        url: Url,
        mut headers: Vec<(&'static str, String)>,
        body: Body,
    ) -> Result<Answer, Error> {
        let client = self.workspace.client();
        headers.push(("x-ms-version", "2023-11-03".to_owned()));
        let auth = match &self.access {
            Access::Signature(_) => Auth::None,
            Access::Identity => Auth::Audience(client.credential(), &client.cloud().storage_audience),
        };
        let request =
            Request { resource: "blobs", method, url, auth, headers, body, reads: false, priority: client.priority() };
        client.transport().send(request).await
    }
}
