//! Where an identity comes from, and the credential made of it.

use std::fmt;
use std::sync::Arc;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::error::ErrorKind;
use azure_core::http::{
    AsyncRawResponse, ClientMethodOptions, ClientOptions, HttpClient, Request, RetryOptions,
    Transport as AzureTransport,
};
use azure_identity::{
    ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Position, Url};

use crate::certificate::{Certificate, SignedAssertion};
use crate::cloud::Cloud;
use crate::error::Error;
use crate::token::Credential;
use crate::transport::Transport;

/// Supplies the token that is exchanged at the token endpoint.
#[async_trait::async_trait]
pub trait ClientAssertion: Send + Sync + fmt::Debug {
    /// A token, or why there is none.
    async fn assertion(&self) -> Result<SecretString, String>;
}

/// Where a credential comes from.
#[derive(Debug)]
pub enum CredentialSource {
    /// A service principal with a client secret.
    ClientSecret {
        /// The tenant.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// The secret.
        secret: SecretString,
    },
    /// A federated token (workload identity).
    Assertion {
        /// The tenant.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// What supplies the token.
        assertion: Arc<dyn ClientAssertion>,
    },
    /// A service principal with a certificate: it signs an assertion that Entra ID checks.
    Certificate {
        /// The tenant.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// The certificate with its key.
        certificate: Arc<Certificate>,
    },
    /// The managed identity of the machine.
    ManagedIdentity {
        /// A user-assigned identity.
        client_id: Option<String>,
    },
}

impl CredentialSource {
    /// Whose the credential is: the same however it proves itself, and without any secret.
    fn principal(&self) -> String {
        match self {
            Self::ClientSecret { tenant_id, client_id, .. }
            | Self::Assertion { tenant_id, client_id, .. }
            | Self::Certificate { tenant_id, client_id, .. } => format!("{tenant_id}/{client_id}").to_lowercase(),
            Self::ManagedIdentity { client_id: Some(client_id) } => format!("managed/{client_id}").to_lowercase(),
            Self::ManagedIdentity { client_id: None } => "managed".to_owned(),
        }
    }
}

/// What `az ad sp create-for-rbac` prints, with or without `--sdk-auth`.
#[derive(Deserialize)]
pub struct ServicePrincipalJson {
    #[serde(alias = "tenant", alias = "tenantId")]
    tenant: String,
    #[serde(alias = "appId", alias = "clientId")]
    client: String,
    #[serde(alias = "password", alias = "clientSecret", deserialize_with = "crate::secrets::secret")]
    secret: SecretString,
    /// Where its writer thinks that tokens come from. Never followed.
    #[serde(rename = "activeDirectoryEndpointUrl")]
    authority: Option<String>,
    /// Where its writer thinks that Azure Resource Manager is. Never followed.
    #[serde(rename = "resourceManagerEndpointUrl")]
    resource_manager: Option<String>,
}

/// Why such a JSON can't be used; never with any of the text, but for the host of another cloud.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServicePrincipalError {
    /// Something else.
    #[error("is not what `az ad sp create-for-rbac` prints: it is not JSON (line {0}, column {1})")]
    NotJson(usize, usize),
    /// A field is missing.
    #[error(
        "is not what `az ad sp create-for-rbac` prints: it lacks one of tenant (tenantId), appId (clientId) and password (clientSecret)"
    )]
    Incomplete,
    /// The principal is one of another cloud.
    #[error("is for another cloud: its {field} names {host}, and the operator's configuration says {cloud}")]
    OtherCloud {
        /// Which field says so.
        field: &'static str,
        /// The host that it names.
        host: String,
        /// The configured cloud.
        cloud: String,
    },
}

impl ServicePrincipalJson {
    /// Reads the JSON.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(text: &SecretString) -> Result<Self, ServicePrincipalError> {
        serde_json::from_str(text.expose_secret()).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => ServicePrincipalError::Incomplete,
            _ => ServicePrincipalError::NotJson(error.line(), error.column()),
        })
    }

    /// The source of a credential, where the JSON is for this cloud. Requests go to the addresses of the cloud in any
    /// case: who could name an address here could have tokens sent to it.
    ///
    /// # Errors
    /// [`ServicePrincipalError::OtherCloud`].
    pub fn source(self, cloud: &Cloud) -> Result<CredentialSource, ServicePrincipalError> {
        for (field, text, own) in [
            ("activeDirectoryEndpointUrl", &self.authority, cloud.authority_hosts()),
            ("resourceManagerEndpointUrl", &self.resource_manager, cloud.resource_manager_hosts()),
        ] {
            let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else { continue };
            let named = Url::parse(text).ok().map(|url| url[Position::BeforeHost..Position::AfterPort].to_owned());
            if !named.as_ref().is_some_and(|host| own.contains(host)) {
                let host = named.filter(|host| !host.is_empty()).unwrap_or_else(|| "no host".to_owned());
                return Err(ServicePrincipalError::OtherCloud { field, host, cloud: cloud.name.clone() });
            }
        }
        Ok(CredentialSource::ClientSecret { tenant_id: self.tenant, client_id: self.client, secret: self.secret })
    }
}

/// A credential on the cloud's own authority. It caches its tokens; make one per identity and version of its secret.
///
/// # Errors
/// When the source can't be one (an empty id).
pub fn credential(source: CredentialSource, cloud: &Cloud, transport: &Transport) -> Result<Arc<Credential>, Error> {
    let principal = source.principal();
    let maker = Maker { source, cloud: cloud.clone(), http: transport.http().clone() };
    Credential::new(principal, Box::new(move || maker.make())).map(Arc::new)
}

/// Makes credentials of one identity.
struct Maker {
    source: CredentialSource,
    cloud: Cloud,
    http: reqwest::Client,
}

impl Maker {
    fn make(&self) -> azure_core::Result<Arc<dyn TokenCredential>> {
        let client_options = client_options(&self.cloud, Arc::new(self.http.clone()));
        Ok(match &self.source {
            CredentialSource::ClientSecret { tenant_id, client_id, secret } => ClientSecretCredential::new(
                tenant_id,
                client_id.clone(),
                Secret::new(secret.expose_secret().to_owned()),
                Some(ClientSecretCredentialOptions { client_options }),
            )?,
            CredentialSource::Assertion { tenant_id, client_id, assertion } => {
                by_assertion(tenant_id, client_id, assertion.clone(), client_options)?
            }
            CredentialSource::Certificate { tenant_id, client_id, certificate } => {
                let endpoint = format!("{}/{tenant_id}/oauth2/v2.0/token", self.cloud.authority.trim_end_matches('/'));
                let signed = SignedAssertion::new(certificate.clone(), client_id, endpoint);
                by_assertion(tenant_id, client_id, Arc::new(signed), client_options)?
            }
            CredentialSource::ManagedIdentity { client_id } => {
                let http: Arc<dyn HttpClient> = match self.cloud.imds.clone() {
                    Some(to) => Arc::new(Elsewhere { http: self.http.clone(), to }),
                    None => Arc::new(self.http.clone()),
                };
                ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                    user_assigned_id: client_id.clone().map(UserAssignedId::ClientId),
                    client_options: ClientOptions { transport: Some(AzureTransport::new(http)), ..client_options },
                }))?
            }
        })
    }
}

fn by_assertion(
    tenant_id: &str,
    client_id: &str,
    assertion: Arc<dyn ClientAssertion>,
    client_options: ClientOptions,
) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let options = ClientAssertionCredentialOptions { client_options };
    Ok(ClientAssertionCredential::new(tenant_id.to_owned(), client_id.to_owned(), Bridge(assertion), Some(options))?)
}

/// Instance metadata at another address than 169.254.169.254.
#[derive(Debug)]
struct Elsewhere {
    http: reqwest::Client,
    to: Url,
}

#[async_trait::async_trait]
impl HttpClient for Elsewhere {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut request = request.clone();
        let url = request.url_mut();
        *url = self.to.join(&url[Position::BeforePath..])?;
        self.http.execute_request(&request).await
    }
}

fn client_options(cloud: &Cloud, http: Arc<dyn HttpClient>) -> ClientOptions {
    let mut custom = CustomConfiguration::default();
    custom.authority_host = cloud.authority.clone();
    ClientOptions {
        cloud: Some(Arc::new(CloudConfiguration::Custom(custom))),
        transport: Some(AzureTransport::new(http)),
        // The reconcile is tried again as a whole; a retry in here would hold it.
        retry: RetryOptions::none(),
        ..ClientOptions::default()
    }
}

#[derive(Debug)]
struct Bridge(Arc<dyn ClientAssertion>);

#[async_trait::async_trait]
impl azure_identity::ClientAssertion for Bridge {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        match self.0.assertion().await {
            Ok(token) => Ok(token.expose_secret().to_owned()),
            Err(message) => Err(azure_core::Error::new(ErrorKind::Credential, AssertionError(message))),
        }
    }
}

/// There was no assertion to exchange.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct AssertionError(pub(crate) String);

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ServicePrincipalJson, ServicePrincipalError> {
        ServicePrincipalJson::parse(&SecretString::from(text))
    }

    #[test]
    fn both_forms_of_create_for_rbac_are_read() {
        for text in [
            r#"{"appId":"a","displayName":"d","password":"p","tenant":"t"}"#,
            r#"{"clientId":"a","clientSecret":"p","tenantId":"t","subscriptionId":"s"}"#,
        ] {
            let json = parse(text).unwrap();
            assert_eq!((json.client.as_str(), json.tenant.as_str(), json.secret.expose_secret()), ("a", "t", "p"));
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_text() {
        for text in [r#"{"appId":"a","password":"hunter2"}"#, "hunter2", r#"{"appId":"hunter2"#] {
            let error = parse(text).err().unwrap().to_string();
            assert!(error.contains("az ad sp create-for-rbac") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_principal_of_another_cloud_is_told_apart() {
        let custom = Cloud {
            authority: "https://127.0.0.1:8443".into(),
            resource_manager: "https://127.0.0.1:8443".into(),
            name: "mine".into(),
            ..Cloud::public()
        };
        let public = ("https://login.microsoftonline.com", "https://management.azure.com/");
        let government = ("https://login.microsoftonline.us", "https://management.usgovcloudapi.net/");
        let china = ("https://login.chinacloudapi.cn", "https://management.chinacloudapi.cn");
        let newer_china = ("https://login.partner.microsoftonline.cn/", "https://management.chinacloudapi.cn/");
        for (cloud, (authority, manager), refused) in [
            (Cloud::public(), public, None),
            (Cloud::public(), government, Some("activeDirectoryEndpointUrl")),
            (Cloud::public(), (public.0, government.1), Some("resourceManagerEndpointUrl")),
            (Cloud::us_government(), government, None),
            (Cloud::us_government(), china, Some("activeDirectoryEndpointUrl")),
            (Cloud::china(), china, None),
            (Cloud::china(), newer_china, None),
            (Cloud::china(), public, Some("activeDirectoryEndpointUrl")),
            // A custom cloud in front of a known one takes that one's principals too.
            (custom.clone(), public, None),
            (custom.clone(), ("https://127.0.0.1:8443", "https://127.0.0.1:8443/"), None),
            (custom, ("https://127.0.0.1:8444", "https://127.0.0.1:8443/"), Some("activeDirectoryEndpointUrl")),
            (Cloud::public(), ("https://login.microsoftonline.com:444", public.1), Some("activeDirectoryEndpointUrl")),
            (
                Cloud::public(),
                ("https://login.microsoftonline.com.evil.example", public.1),
                Some("activeDirectoryEndpointUrl"),
            ),
            (Cloud::public(), ("nonsense", public.1), Some("activeDirectoryEndpointUrl")),
            (Cloud::public(), ("", ""), None),
        ] {
            let text = serde_json::json!({"clientId": "a", "clientSecret": "hunter2", "tenantId": "t",
                "activeDirectoryEndpointUrl": authority, "resourceManagerEndpointUrl": manager});
            let error = parse(&text.to_string()).unwrap().source(&cloud).err();
            let field = match &error {
                Some(ServicePrincipalError::OtherCloud { field, .. }) => Some(*field),
                _ => None,
            };
            assert_eq!(field, refused, "{} {authority} {manager}: {error:?}", cloud.name);
        }
    }
}
