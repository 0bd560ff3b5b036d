//! From an AmlWorkspace to an authenticated client.
//!
//! One credential a workspace and version of its spec and Secret; a changed Secret is a new credential, without a
//! restart. A namespace acts by what stands in the namespace alone: its own Secret, or a token of its own
//! ServiceAccount. The operator's own identity serves only namespaces that the configuration lists.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use azureml::auth::{ClientAssertion, CredentialSource, ServicePrincipalJson};
use azureml::cloud::Cloud;
use azureml::transport::Transport;
use azureml::{Client, WorkspaceId};
use azureml_crds::references::SecretKeyRef;
use azureml_crds::workspace::{Credentials, ManagedIdentity, ServicePrincipal, WorkloadIdentity};
use azureml_crds::{AmlResource, AmlWorkspace, reasons};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{Api, PostParams};
use secrecy::SecretString;

use crate::context::Context;
use crate::error::{Error, Halt, said};

/// The audience that Entra ID expects in a Kubernetes token (workload identity federation).
const EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";
/// How long a Kubernetes token for the exchange lives; ten minutes is the least that the API gives.
const TOKEN_SECONDS: i64 = 600;

/// The clients, by workspace.
pub struct Clients {
    transport: Transport,
    cloud: Arc<Cloud>,
    cache: Mutex<HashMap<String, Cached>>,
}

struct Cached {
    credentials: Credentials,
    secret: Option<(String, String)>,
    /// The Secret was touched since: made again for all but deletions.
    stale: bool,
    client: Client,
}

impl Clients {
    /// No client yet.
    pub fn new(transport: Transport, cloud: Arc<Cloud>) -> Self {
        Self { transport, cloud, cache: Mutex::default() }
    }

    /// The cloud's hosts and audiences.
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// A Secret changed: credentials made from it are made again.
    pub fn dependency_changed(&self, kind: &str, namespace: &str, name: &str) {
        if kind != "Secret" {
            return;
        }
        if let Ok(mut cache) = self.cache.lock() {
            for cached in cache.values_mut() {
                let of = cached.secret.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
                cached.stale |= of == Some((namespace, name));
            }
        }
    }

    /// Azure as this workspace sees it. For a deletion what is at hand is used as it is: a terminating namespace gives
    /// no new tokens, and its Secrets may be gone.
    ///
    /// # Errors
    /// Why the credentials can't be built, with what to do.
    pub async fn workspace(
        &self,
        context: &Context,
        object: &AmlWorkspace,
        for_deletion: bool,
    ) -> Result<azureml::Workspace, Error> {
        let client = self.client(context, object, for_deletion || object.is_deleting()).await?;
        Ok(client.workspace(WorkspaceId {
            subscription_id: object.spec.subscription_id.clone(),
            resource_group: object.spec.resource_group.clone(),
            name: object.azure_name(),
        }))
    }

    async fn client(&self, context: &Context, object: &AmlWorkspace, for_deletion: bool) -> Result<Client, Error> {
        if let Ok(cache) = self.cache.lock()
            && let Some(cached) = cache.get(object.uid())
            && cached.credentials == object.spec.credentials
            && (!cached.stale || for_deletion)
        {
            return Ok(cached.client.clone());
        }
        let namespace = object.namespace();
        let credentials = &object.spec.credentials;
        let source = source(context, namespace, credentials).await?;
        let credential = azureml::auth::credential(source, &self.cloud, &self.transport)?;
        let client = Client::new(self.transport.clone(), self.cloud.clone(), credential);
        let secret = secret_name(credentials).map(|name| (namespace.to_owned(), name.to_owned()));
        let cached = Cached { credentials: credentials.clone(), secret, stale: false, client: client.clone() };
        if let Ok(mut cache) = self.cache.lock() {
            cache.insert(object.uid().to_owned(), cached);
        }
        Ok(client)
    }

    /// The workspace is gone.
    pub fn forget(&self, uid: &str) {
        if let Ok(mut cache) = self.cache.lock() {
            cache.remove(uid);
        }
    }
}

/// The Secret that the credentials stand in.
#[must_use]
pub fn secret_name(credentials: &Credentials) -> Option<&str> {
    let principal = credentials.service_principal.as_ref()?;
    let secret = principal.client_secret_ref.as_ref().or(principal.sdk_auth_ref.as_ref()).map(|secret| &secret.name);
    let name = secret.or(principal.client_certificate_ref.as_ref().map(|certificate| &certificate.name))?;
    Some(name)
}

async fn source(context: &Context, namespace: &str, credentials: &Credentials) -> Result<CredentialSource, Error> {
    if let Some(identity) = &credentials.workload_identity {
        return workload_identity(context, namespace, identity).await;
    }
    if let Some(principal) = &credentials.service_principal
        && let Some(source) = service_principal(context, namespace, principal).await?
    {
        return Ok(source);
    }
    if let Some(identity) = &credentials.managed_identity {
        return managed_identity(context, namespace, identity).map_err(Error::from);
    }
    Err(Halt::person(
        reasons::INVALID_SPEC,
        "spec.credentials names no way to authenticate: write workloadIdentity, servicePrincipal or managedIdentity.",
    )
    .into())
}

async fn workload_identity(
    context: &Context,
    namespace: &str,
    identity: &WorkloadIdentity,
) -> Result<CredentialSource, Error> {
    let accounts: Api<ServiceAccount> = Api::namespaced(context.client.clone(), namespace);
    let name = &identity.service_account_name;
    if accounts.get_metadata_opt(name).await?.is_none() {
        return Err(Halt::wait(
            reasons::SERVICE_ACCOUNT_NOT_FOUND,
            format!("spec.credentials.workloadIdentity.serviceAccountName names ServiceAccount {name:?}, which does not exist in namespace {namespace:?}. Create it."),
        )
        .into());
    }
    Ok(CredentialSource::Assertion {
        tenant_id: identity.tenant_id.clone(),
        client_id: identity.client_id.clone(),
        assertion: Arc::new(ServiceAccountToken { accounts, name: name.clone() }),
    })
}

/// By what the Secret holds whole, by a certificate, or by a secret; `None` where the spec names none of them.
async fn service_principal(
    context: &Context,
    namespace: &str,
    principal: &ServicePrincipal,
) -> Result<Option<CredentialSource>, Error> {
    if let Some(reference) = &principal.sdk_auth_ref {
        let text = secret_value(context, namespace, reference).await?;
        let whole = ServicePrincipalJson::parse(&text).map_err(|error| {
            Halt::person(
                reasons::SECRET_INVALID,
                format!("Secret {:?} key {:?} is not what `az ad sp create-for-rbac` prints: {error}. Put its whole JSON output there.", reference.name, reference.key),
            )
        })?;
        return Ok(Some(whole.into()));
    }
    let (Some(tenant_id), Some(client_id)) = (principal.tenant_id.clone(), principal.client_id.clone()) else {
        return Ok(None);
    };
    if let Some(certificate) = &principal.client_certificate_ref {
        let reference = SecretKeyRef { name: certificate.name.clone(), key: certificate.key.clone() };
        let pem = secret_value(context, namespace, &reference).await?;
        return Ok(Some(CredentialSource::Certificate { tenant_id, client_id, pem }));
    }
    let Some(reference) = &principal.client_secret_ref else { return Ok(None) };
    let secret = secret_value(context, namespace, reference).await?;
    Ok(Some(CredentialSource::ClientSecret { tenant_id, client_id, secret }))
}

fn managed_identity(context: &Context, namespace: &str, identity: &ManagedIdentity) -> Result<CredentialSource, Halt> {
    if context.settings.managed_identity_namespaces.iter().any(|allowed| allowed == namespace) {
        return Ok(CredentialSource::ManagedIdentity { client_id: identity.client_id.clone() });
    }
    Err(Halt::person(
        reasons::IDENTITY_NOT_ALLOWED,
        format!(
            "The operator's configuration does not let namespace {namespace:?} use its managed identity. Use workloadIdentity or servicePrincipal, or add the namespace to --managed-identity-namespaces."
        ),
    ))
}

async fn secret_value(context: &Context, namespace: &str, reference: &SecretKeyRef) -> Result<SecretString, Error> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let Some(secret) = api.get_opt(&reference.name).await? else {
        return Err(Halt::wait(
            reasons::SECRET_NOT_FOUND,
            format!("spec.credentials names Secret {:?}, which does not exist in namespace {namespace:?}. Create it with the key {:?}.", reference.name, reference.key),
        )
        .into());
    };
    let invalid = |what: &str| {
        Halt::wait(
            reasons::SECRET_INVALID,
            format!(
                "Secret {:?} in namespace {namespace:?} {what} {:?}. Put the client secret there.",
                reference.name, reference.key
            ),
        )
    };
    let data = secret.data.unwrap_or_default();
    let value = data.get(&reference.key).ok_or_else(|| invalid("has no key"))?;
    let text = std::str::from_utf8(&value.0).map_err(|_| invalid("holds no text under key"))?.trim().to_owned();
    if text.is_empty() { Err(invalid("is empty under key").into()) } else { Ok(SecretString::from(text)) }
}

/// A token of a ServiceAccount for the exchange at the token endpoint.
struct ServiceAccountToken {
    accounts: Api<ServiceAccount>,
    name: String,
}

impl fmt::Debug for ServiceAccountToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ServiceAccountToken").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl ClientAssertion for ServiceAccountToken {
    async fn assertion(&self) -> Result<SecretString, String> {
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(vec![EXCHANGE_AUDIENCE.to_owned()]),
                expiration_seconds: Some(TOKEN_SECONDS),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let answer = self.accounts.create_token_request(&self.name, &PostParams::default(), &request).await.map_err(
            |error| format!("the Kubernetes API gave no token for ServiceAccount {:?}: {}", self.name, said(&error)),
        )?;
        let token = answer.status.and_then(|status| status.token);
        token.map(SecretString::from).ok_or_else(|| "the Kubernetes API's TokenRequest has no token".to_owned())
    }
}
