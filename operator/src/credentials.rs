//! From an AmlWorkspace to an authenticated client.
//!
//! One credential a workspace and version of its spec and Secret; a changed Secret is a new credential, without a
//! restart. A namespace acts by what stands in the namespace alone: its own Secret, or a token of its own
//! ServiceAccount. The operator's own identity serves only namespaces that the configuration lists.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use azureml::auth::{ClientAssertion, CredentialSource, ServicePrincipalError, ServicePrincipalJson};
use azureml::certificate::{Certificate, CertificateError};
use azureml::cloud::Cloud;
use azureml::transport::Transport;
use azureml::{Client, WorkspaceId};
use azureml_crds::references::{CertificateRef, SecretKeyRef};
use azureml_crds::workspace::{Credentials, ManagedIdentity, ServicePrincipal, WorkloadIdentity};
use azureml_crds::{AmlResource, AmlWorkspace, reasons};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{Api, PostParams};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

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
    cache: Mutex<Cache>,
}

/// What is at hand and what is being made.
#[derive(Default)]
struct Cache {
    /// By the workspace's uid: a workspace of the same name in another namespace, or made anew, is another one.
    ready: HashMap<String, Cached>,
    /// Secrets that are being read, by the reading: one that is touched meanwhile may have been read too early.
    reading: HashMap<u64, Reading>,
    next: u64,
}

struct Cached {
    credentials: Credentials,
    secret: Option<SecretAt>,
    /// The Secret was touched since: made again for all but deletions.
    stale: bool,
    client: Client,
}

struct Reading {
    secret: Option<SecretAt>,
    touched: bool,
}

/// A Secret's namespace and name.
type SecretAt = (String, String);

impl Cache {
    fn begin(&mut self, secret: Option<SecretAt>) -> u64 {
        self.next += 1;
        self.reading.insert(self.next, Reading { secret, touched: false });
        self.next
    }

    /// Whether the Secret was touched since [`Cache::begin`].
    fn end(&mut self, reading: u64) -> bool {
        self.reading.remove(&reading).is_some_and(|reading| reading.touched)
    }

    /// The client that is at hand for a workspace from now on.
    fn keep(&mut self, uid: &str, made: Cached) -> Client {
        match self.ready.get(uid) {
            Some(first) if !first.stale && first.credentials == made.credentials => first.client.clone(),
            _ => {
                let client = made.client.clone();
                self.ready.insert(uid.to_owned(), made);
                client
            }
        }
    }

    fn touched(&mut self, namespace: &str, name: &str) {
        let is = |secret: &Option<SecretAt>| {
            secret.as_ref().is_some_and(|secret| (secret.0.as_str(), secret.1.as_str()) == (namespace, name))
        };
        self.ready.values_mut().filter(|cached| is(&cached.secret)).for_each(|cached| cached.stale = true);
        self.reading.values_mut().filter(|reading| is(&reading.secret)).for_each(|reading| reading.touched = true);
    }
}

/// Ends a reading however it ends.
struct Open<'a> {
    cache: &'a Mutex<Cache>,
    reading: u64,
}

impl<'a> Open<'a> {
    fn new(cache: &'a Mutex<Cache>, secret: Option<SecretAt>) -> Self {
        let reading = cache.lock().map(|mut cache| cache.begin(secret)).unwrap_or_default();
        Self { cache, reading }
    }

    /// Puts what was made, stale already where its Secret was touched meanwhile. Of many that are made at once for one
    /// workspace, as at a start, the first is for all: what is listed by one credential is not listed again by another.
    fn keep(self, uid: &str, cached: Cached) -> Client {
        match self.cache.lock() {
            Ok(mut cache) => {
                let stale = cache.end(self.reading);
                cache.keep(uid, Cached { stale, ..cached })
            }
            Err(_) => cached.client,
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if let Ok(mut cache) = self.cache.lock() {
            cache.end(self.reading);
        }
    }
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
            cache.touched(namespace, name);
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
            && let Some(cached) = cache.ready.get(object.uid())
            && cached.credentials == object.spec.credentials
            && (!cached.stale || for_deletion)
        {
            return Ok(cached.client.clone());
        }
        let namespace = object.namespace();
        let credentials = &object.spec.credentials;
        let secret = secret_name(credentials).map(|name| (namespace.to_owned(), name.to_owned()));
        let open = Open::new(&self.cache, secret.clone());
        let source = source(context, namespace, credentials).await?;
        let credential = azureml::auth::credential(source, &self.cloud, &self.transport)?;
        let client = Client::new(self.transport.clone(), self.cloud.clone(), credential);
        Ok(open.keep(object.uid(), Cached { credentials: credentials.clone(), secret, stale: false, client }))
    }

    /// The workspace is gone.
    pub fn forget(&self, uid: &str) {
        if let Ok(mut cache) = self.cache.lock() {
            cache.ready.remove(uid);
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
    check_name("ServiceAccount", name)?;
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
        let text =
            secret_text(context, namespace, reference, "the whole JSON that `az ad sp create-for-rbac` prints").await?;
        let source = ServicePrincipalJson::parse(&text).and_then(|whole| whole.source(context.azure.cloud()));
        return source.map(Some).map_err(|error| {
            let help = match error {
                ServicePrincipalError::OtherCloud { .. } => {
                    "Put a service principal of the configured cloud there; addresses in a Secret are never followed."
                }
                _ => "Put its whole JSON output there.",
            };
            let message = format!("Secret {:?} key {:?} {error}. {help}", reference.name, reference.key);
            Halt::person(reasons::SECRET_INVALID, message).into()
        });
    }
    let (Some(tenant_id), Some(client_id)) = (principal.tenant_id.clone(), principal.client_id.clone()) else {
        return Ok(None);
    };
    if let Some(certificate) = &principal.client_certificate_ref {
        let certificate = Arc::new(read_certificate(context, namespace, certificate).await?);
        return Ok(Some(CredentialSource::Certificate { tenant_id, client_id, certificate }));
    }
    let Some(reference) = &principal.client_secret_ref else { return Ok(None) };
    let secret = secret_text(context, namespace, reference, "the client secret").await?;
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

/// The certificate of a Secret, opened by the password of the same Secret.
async fn read_certificate(
    context: &Context,
    namespace: &str,
    reference: &CertificateRef,
) -> Result<Certificate, Error> {
    let at = |key: &str| SecretKeyRef { name: reference.name.clone(), key: key.to_owned() };
    let file = secret_value(context, namespace, &at(&reference.key), "the certificate with its private key").await?;
    let password = match &reference.password_key {
        Some(key) => Some(secret_value(context, namespace, &at(key), "the certificate's password").await?),
        None => None,
    };
    let password = password.map(|password| {
        let text = String::from_utf8_lossy(password.expose_secret());
        // Editors and `echo` end a line; a password may end in spaces.
        SecretString::from(text.trim_end_matches(['\r', '\n']))
    });
    // Passwords are turned into keys by much arithmetic, which would hold others up.
    let read = tokio::task::spawn_blocking(move || Certificate::read(file.expose_secret(), password.as_ref()));
    let read = read.await.unwrap_or(Err(CertificateError::Damaged));
    read.map_err(|error| {
        let (name, key) = (&reference.name, &reference.key);
        let message = format!(
            "Secret {name:?} key {key:?} holds no certificate that can be used: {error}. Put PEM text or a PKCS#12 (.pfx) file there."
        );
        Halt::person(reasons::SECRET_INVALID, message).into()
    })
}

/// The text under a Secret's key, without the space around it.
async fn secret_text(
    context: &Context,
    namespace: &str,
    reference: &SecretKeyRef,
    what: &str,
) -> Result<SecretString, Error> {
    let value = secret_value(context, namespace, reference, what).await?;
    let text = std::str::from_utf8(value.expose_secret()).map(str::trim);
    match text {
        Ok(text) if !text.is_empty() => Ok(SecretString::from(text)),
        Ok(_) => Err(secret_invalid(namespace, reference, "is empty under key", what).into()),
        Err(_) => Err(secret_invalid(namespace, reference, "holds no text under key", what).into()),
    }
}

/// What stands under a Secret's key. `what` belongs there.
async fn secret_value(
    context: &Context,
    namespace: &str,
    reference: &SecretKeyRef,
    what: &str,
) -> Result<SecretSlice<u8>, Error> {
    check_name("Secret", &reference.name)?;
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let Some(secret) = api.get_opt(&reference.name).await? else {
        return Err(Halt::wait(
            reasons::SECRET_NOT_FOUND,
            format!("spec.credentials names Secret {:?}, which does not exist in namespace {namespace:?}. Create it with the key {:?}.", reference.name, reference.key),
        )
        .into());
    };
    let value = secret.data.unwrap_or_default().remove(&reference.key);
    match value {
        Some(value) if !value.0.is_empty() => Ok(SecretSlice::from(value.0)),
        Some(_) => Err(secret_invalid(namespace, reference, "is empty under key", what).into()),
        None => Err(secret_invalid(namespace, reference, "has no key", what).into()),
    }
}

/// A name with a slash would be a path of the Kubernetes API, to another namespace at worst. The custom resource's schema
/// refuses it; one that was stored by an older schema is refused here.
fn check_name(kind: &str, name: &str) -> Result<(), Halt> {
    let allowed =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || "-.".contains(character);
    if !name.is_empty() && name.chars().all(allowed) && !name.starts_with('.') {
        return Ok(());
    }
    let message = format!(
        "spec.credentials names {kind} {name:?}, which can't be a name. Write the name of a {kind} of this namespace."
    );
    Err(Halt::person(reasons::INVALID_SPEC, message))
}

fn secret_invalid(namespace: &str, reference: &SecretKeyRef, trouble: &str, what: &str) -> Halt {
    let (name, key) = (&reference.name, &reference.key);
    Halt::wait(
        reasons::SECRET_INVALID,
        format!("Secret {name:?} in namespace {namespace:?} {trouble} {key:?}. Put {what} there."),
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(namespace: &str, name: &str) -> Option<SecretAt> {
        Some((namespace.to_owned(), name.to_owned()))
    }

    #[test]
    fn a_name_is_no_path() {
        for name in ["azure-ml-ops", "a.b-c"] {
            assert_eq!(check_name("Secret", name), Ok(()), "{name}");
        }
        for name in ["other/azure-ml-ops", "../../other/secrets/azure-ml-ops", "..", "a%2Fb", "a?b", "A", ""] {
            assert!(check_name("Secret", name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_secret_that_is_touched_while_it_is_read_is_read_again() {
        let mut cache = Cache::default();
        let readings = [at("a", "s"), at("b", "s"), at("a", "other"), None].map(|secret| cache.begin(secret));
        cache.touched("a", "s");
        assert_eq!(readings.map(|reading| cache.end(reading)), [true, false, false, false]);
        let later = cache.begin(at("a", "s"));
        assert!(!cache.end(later), "touched before it was begun");
        assert!(cache.reading.is_empty());
    }
}
