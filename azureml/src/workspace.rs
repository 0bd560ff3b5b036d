//! An identity in a cloud, and a workspace as it sees it.

use std::fmt;
use std::sync::Arc;

use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::answer::Answer;
use crate::arm::{ArmId, WorkspaceId};
use crate::budget::Priority;
use crate::cloud::Cloud;
use crate::error::Error;
use crate::lro::{self, Started};
use crate::token::Credential;
use crate::transport::{Auth, Body, Request, Transport};

/// How many pages a list is followed for.
const MAX_PAGES: usize = 1000;

/// One identity in one cloud. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    transport: Transport,
    cloud: Arc<Cloud>,
    credential: Arc<Credential>,
    priority: Priority,
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Client").field("cloud", &self.cloud.name).finish_non_exhaustive()
    }
}

impl Client {
    /// An identity in a cloud.
    pub fn new(transport: Transport, cloud: Arc<Cloud>, credential: Arc<Credential>) -> Self {
        Self { transport, cloud, credential, priority: Priority::default() }
    }

    /// The same identity, whose requests wait their turn by this priority.
    #[must_use]
    pub fn at(&self, priority: Priority) -> Self {
        Self { priority, ..self.clone() }
    }

    /// Both act by one credential, at whatever priority.
    #[must_use]
    pub fn has_credential_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.credential, &other.credential)
    }

    pub(crate) fn priority(&self) -> Priority {
        self.priority
    }

    /// The api-version of Azure ML that is spoken.
    pub(crate) fn api_version(&self) -> &str {
        &self.cloud.api_version
    }

    /// One workspace.
    #[must_use]
    pub fn workspace(&self, id: WorkspaceId) -> Workspace {
        let arm_id = id.arm_id();
        Workspace { client: self.clone(), id, arm_id }
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(crate) fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The cloud.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// A token for an audience of the cloud.
    pub(crate) async fn token(&self, audience: &str) -> Result<secrecy::SecretString, Error> {
        self.credential.token(audience).await
    }

    pub(crate) fn arm_url(&self, path: &str, api_version: &str, query: &[(&str, &str)]) -> Result<Url, Error> {
        let malformed = |message: String| Error::Malformed { operation: path.to_owned(), message };
        // A name must not lead to another resource than the one it is put behind.
        if path.contains(['?', '#', '%', '\\']) || path.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
            return Err(malformed("it has characters that no resource's name may have".to_owned()));
        }
        let mut url = Url::parse(&format!("{}{path}", self.cloud.resource_manager.trim_end_matches('/')))
            .map_err(|error| malformed(format!("no address can be made of it: {error}")))?;
        url.query_pairs_mut().append_pair("api-version", api_version).extend_pairs(query);
        Ok(url)
    }

    pub(crate) async fn arm(
        &self,
        resource: &'static str,
        method: Method,
        url: Url,
        body: Option<Value>,
        headers: Vec<(&'static str, String)>,
        reads: bool,
    ) -> Result<Answer, Error> {
        self.transport
            .send(Request {
                resource,
                method,
                url,
                auth: Auth::Audience(self.credential(), &self.cloud.resource_manager_audience),
                headers,
                body: body.map_or(Body::None, Body::Json),
                reads,
                priority: self.priority,
            })
            .await
    }

    /// GET; a 404 with Azure's own error in it is `None`. A 404 without (a proxy's page) says nothing about the object.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        resource: &'static str,
        path: &str,
        api_version: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, Error> {
        let url = self.arm_url(path, api_version, query)?;
        match self.arm(resource, Method::GET, url, None, Vec::new(), false).await {
            Ok(answer) => answer.json().map(Some),
            Err(error) => absent(error),
        }
    }

    /// Every page of a list.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        resource: &'static str,
        path: &str,
        api_version: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, Error> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page<T> {
            value: Vec<T>,
            #[serde(default)]
            next_link: Option<String>,
        }
        let mut url = self.arm_url(path, api_version, query)?;
        let mut all = Vec::new();
        for _ in 0..MAX_PAGES {
            let answer = self.arm(resource, Method::GET, url, None, Vec::new(), false).await?;
            let page: Page<T> = answer.json()?;
            all.extend(page.value);
            match page.next_link.filter(|link| !link.is_empty()) {
                Some(link) => url = self.transport.trusted(&answer.operation, &link)?,
                None => return Ok(all),
            }
        }
        Err(Error::Malformed {
            operation: format!("GET {path}"),
            message: format!("the list has more than {MAX_PAGES} pages"),
        })
    }

    pub(crate) async fn write<T: DeserializeOwned>(
        &self,
        resource: &'static str,
        method: Method,
        url: Url,
        body: Option<Value>,
        headers: Vec<(&'static str, String)>,
    ) -> Result<Started<T>, Error> {
        let answer = self.arm(resource, method, url, body, headers, false).await?;
        let operation = lro::started(self, &answer)?;
        let body = match (answer.body.is_empty(), &operation) {
            (true, _) => None,
            // What started is what matters; the object is read again when it has ended.
            (false, Some(_)) => answer.json().ok(),
            (false, None) => Some(answer.json()?),
        };
        Ok(Started { body, operation })
    }
}

/// One workspace, as an identity sees it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Workspace {
    pub(crate) client: Client,
    id: WorkspaceId,
    arm_id: ArmId,
}

impl Workspace {
    /// The identity.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The place.
    #[must_use]
    pub fn id(&self) -> &WorkspaceId {
        &self.id
    }

    /// The same workspace, where requests wait their turn by this priority.
    #[must_use]
    pub fn at(&self, priority: Priority) -> Self {
        Self { client: self.client.at(priority), ..self.clone() }
    }

    /// The ARM id.
    #[must_use]
    pub fn arm_id(&self) -> &ArmId {
        &self.arm_id
    }

    /// The ARM id of something in it: `path` is e.g. `data/bank/versions/3`.
    #[must_use]
    pub fn id_of(&self, path: &str) -> String {
        format!("{}/{path}", self.arm_id)
    }

    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        resource: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, Error> {
        self.client.get(resource, &self.id_of(path), self.client.api_version(), query).await
    }

    pub(crate) async fn read_list<T: DeserializeOwned>(
        &self,
        resource: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, Error> {
        self.client.list(resource, &self.id_of(path), self.client.api_version(), query).await
    }

    pub(crate) async fn put<B: Serialize, T: DeserializeOwned>(
        &self,
        resource: &'static str,
        path: &str,
        body: &B,
        headers: Vec<(&'static str, String)>,
    ) -> Result<Started<T>, Error> {
        let url = self.client.arm_url(&self.id_of(path), self.client.api_version(), &[])?;
        self.client.write(resource, Method::PUT, url, Some(value(body, path)?), headers).await
    }

    pub(crate) async fn delete(
        &self,
        resource: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Started<Value>, Error> {
        let url = self.client.arm_url(&self.id_of(path), self.client.api_version(), query)?;
        match self.client.write(resource, Method::DELETE, url, None, Vec::new()).await {
            Err(error) if error.is_not_found() => Ok(Started { body: None, operation: None }),
            other => other,
        }
    }

    /// POST; `reads` where it changes nothing.
    pub(crate) async fn post(
        &self,
        resource: &'static str,
        path: &str,
        body: Option<Value>,
        reads: bool,
    ) -> Result<Answer, Error> {
        let url = self.client.arm_url(&self.id_of(path), self.client.api_version(), &[])?;
        self.client.arm(resource, Method::POST, url, body, Vec::new(), reads).await
    }
}

/// `None` where Azure itself says that it is not there.
pub(crate) fn absent<T>(error: Error) -> Result<Option<T>, Error> {
    match error {
        Error::Answer { status, code, operation, message, .. } if code.is_empty() && status == 404 => {
            Err(Error::Malformed {
                operation,
                message: format!("404 without Azure's error in it, perhaps from a proxy: {message}"),
            })
        }
        error if error.is_not_found() => Ok(None),
        error => Err(error),
    }
}

pub(crate) fn value<B: Serialize>(body: &B, what: &str) -> Result<Value, Error> {
    serde_json::to_value(body)
        .map_err(|error| Error::Malformed { operation: what.to_owned(), message: error.to_string() })
}
