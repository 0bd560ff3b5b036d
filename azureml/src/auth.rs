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

use crate::certificate::SignedAssertion;
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
        /// Private key and certificate, PEM.
        pem: SecretString,
    },
    /// The managed identity of the machine.
    ManagedIdentity {
        /// A user-assigned identity.
        client_id: Option<String>,
    },
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
}

impl ServicePrincipalJson {
    /// Reads the JSON.
    ///
    /// # Errors
    /// What is missing, without any of the text.
    pub fn parse(text: &SecretString) -> Result<Self, String> {
        serde_json::from_str(text.expose_secret()).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => {
                "it lacks one of tenant (tenantId), appId (clientId) and password (clientSecret)".to_owned()
            }
            _ => format!("it is not JSON (line {}, column {})", error.line(), error.column()),
        })
    }
}

impl From<ServicePrincipalJson> for CredentialSource {
    fn from(json: ServicePrincipalJson) -> Self {
        Self::ClientSecret { tenant_id: json.tenant, client_id: json.client, secret: json.secret }
    }
}

/// A credential on the cloud's own authority. It caches its tokens; make one per identity and version of its secret.
///
/// # Errors
/// When the source can't be one (an empty id, a certificate that can't be read).
pub fn credential(source: CredentialSource, cloud: &Cloud, transport: &Transport) -> Result<Arc<Credential>, Error> {
    let maker = Maker { source: prepare(source, cloud)?, cloud: cloud.clone(), http: transport.http().clone() };
    Credential::new(Box::new(move || maker.make())).map(Arc::new)
}

/// What is checked once, so that a credential can be made again later.
fn prepare(source: CredentialSource, cloud: &Cloud) -> Result<CredentialSource, Error> {
    let CredentialSource::Certificate { tenant_id, client_id, pem } = source else { return Ok(source) };
    let endpoint = format!("{}/{tenant_id}/oauth2/v2.0/token", cloud.authority.trim_end_matches('/'));
    let signer = SignedAssertion::new(&pem, &client_id, endpoint);
    let assertion = Arc::new(signer.map_err(|message| Error::Token { code: None, message, transient: false })?);
    Ok(CredentialSource::Assertion { tenant_id, client_id, assertion })
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
            CredentialSource::Assertion { tenant_id, client_id, assertion } => ClientAssertionCredential::new(
                tenant_id.clone(),
                client_id.clone(),
                Bridge(assertion.clone()),
                Some(ClientAssertionCredentialOptions { client_options }),
            )?,
            CredentialSource::Certificate { .. } => {
                return Err(azure_core::Error::with_message(
                    ErrorKind::Credential,
                    "a certificate that was not prepared",
                ));
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

    #[test]
    fn both_forms_of_create_for_rbac_are_read() {
        for text in [
            r#"{"appId":"a","displayName":"d","password":"p","tenant":"t"}"#,
            r#"{"clientId":"a","clientSecret":"p","tenantId":"t","subscriptionId":"s"}"#,
        ] {
            let json = ServicePrincipalJson::parse(&SecretString::from(text)).unwrap();
            assert_eq!((json.client.as_str(), json.tenant.as_str(), json.secret.expose_secret()), ("a", "t", "p"));
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_text() {
        let error =
            ServicePrincipalJson::parse(&SecretString::from(r#"{"appId":"a","password":"hunter2"}"#)).err().unwrap();
        assert!(error.contains("tenant") && !error.contains("hunter2"));
    }
}
