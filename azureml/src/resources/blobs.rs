//! Blobs of a datastore, by shared access signature.

use bytes::Bytes;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::datastores::Datastore;
use super::listing;
use crate::answer::Answer;
use crate::error::Error;
use crate::transport::{Auth, Body, Request};
use crate::workspace::Workspace;

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

    /// Writes a blob from a stream of a known length.
    ///
    /// # Errors
    /// The store's answer.
    pub async fn put_stream(&self, path: &str, stream: reqwest::Body, length: u64) -> Result<(), Error> {
        self.send(Method::PUT, path, vec![("x-ms-blob-type", "BlockBlob".to_owned())], Body::Stream(stream, length))
            .await
            .map(drop)
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
