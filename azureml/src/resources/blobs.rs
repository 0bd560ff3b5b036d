//! Blobs of a datastore, by shared access signature.

use bytes::Bytes;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::datastores::Datastore;
use crate::answer::Answer;
use crate::error::Error;
use crate::transport::{Auth, Body, Request};
use crate::workspace::Workspace;

/// A container that can be written.
#[derive(Clone, Debug)]
pub struct Container {
    workspace: Workspace,
    base: String,
    signature: SecretString,
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
        let signature = self.datastore_signature(&datastore.name).await?;
        let base = format!("{}/{container}", self.client().cloud().blob(account));
        Ok(Container { workspace: self.clone(), base, signature })
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
        let operation = format!("{method} blob {path}");
        let malformed =
            |error: url::ParseError| Error::Malformed { operation: operation.clone(), message: error.to_string() };
        let mut url = Url::parse(&self.base).map_err(malformed)?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path.split('/'));
        }
        url.set_query(Some(self.signature.expose_secret().trim_start_matches('?')));
        let transport = self.workspace.client().transport();
        let mut headers = headers;
        headers.push(("x-ms-version", "2023-11-03".to_owned()));
        transport
            .send(Request {
                resource: "blobs",
                method,
                url,
                auth: Auth::None,
                headers,
                body,
                reads: false,
                priority: self.workspace.client().priority(),
            })
            .await
    }
}
