//! Credentials, and the tokens they give.

use std::fmt;
use std::sync::Arc;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::error::ErrorKind;
use azure_core::http::{ClientMethodOptions, ClientOptions, RetryOptions, Transport as AzureTransport};
use azure_identity::{
    ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::certificate::SignedAssertion;
use crate::cloud::Cloud;
use crate::error::Error;
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
/// When the source can't be one (an empty id).
pub fn credential(
    source: CredentialSource,
    cloud: &Cloud,
    transport: &Transport,
) -> Result<Arc<dyn TokenCredential>, Error> {
    let options = client_options(cloud, transport);
    let made: azure_core::Result<Arc<dyn TokenCredential>> = match source {
        CredentialSource::ClientSecret { tenant_id, client_id, secret } => ClientSecretCredential::new(
            &tenant_id,
            client_id,
            Secret::new(secret.expose_secret().to_owned()),
            Some(ClientSecretCredentialOptions { client_options: options }),
        )
        .map(|credential| credential as Arc<dyn TokenCredential>),
        CredentialSource::Assertion { tenant_id, client_id, assertion } => ClientAssertionCredential::new(
            tenant_id,
            client_id,
            Bridge(assertion),
            Some(ClientAssertionCredentialOptions { client_options: options }),
        )
        .map(|credential| credential as Arc<dyn TokenCredential>),
        CredentialSource::Certificate { tenant_id, client_id, pem } => {
            let endpoint = format!("{}/{tenant_id}/oauth2/v2.0/token", cloud.authority.trim_end_matches('/'));
            let signer = SignedAssertion::new(&pem, &client_id, endpoint).map_err(|message| Error::Token {
                code: None,
                message,
                transient: false,
            })?;
            ClientAssertionCredential::new(
                tenant_id,
                client_id,
                Bridge(Arc::new(signer)),
                Some(ClientAssertionCredentialOptions { client_options: options }),
            )
            .map(|credential| credential as Arc<dyn TokenCredential>)
        }
        CredentialSource::ManagedIdentity { client_id } => {
            ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                user_assigned_id: client_id.map(UserAssignedId::ClientId),
                client_options: options,
            }))
            .map(|credential| credential as Arc<dyn TokenCredential>)
        }
    };
    made.map_err(|error| Error::Token { code: None, message: error.to_string(), transient: false })
}

fn client_options(cloud: &Cloud, transport: &Transport) -> ClientOptions {
    let mut custom = CustomConfiguration::default();
    custom.authority_host = cloud.authority.clone();
    ClientOptions {
        cloud: Some(Arc::new(CloudConfiguration::Custom(custom))),
        transport: Some(AzureTransport::new(Arc::new(transport.http().clone()))),
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
struct AssertionError(String);

/// A bearer token for an audience.
///
/// # Errors
/// Entra ID's answer, or that there was none.
pub(crate) async fn token(credential: &dyn TokenCredential, audience: &str) -> Result<SecretString, Error> {
    let scope = format!("{}/.default", audience.trim_end_matches('/'));
    match credential.get_token(&[&scope], None).await {
        Ok(token) => Ok(SecretString::from(token.token.secret().to_owned())),
        Err(error) => Err(refused(&error)),
    }
}

/// Entra's codes that pass by themselves: its own troubles and throttling ("Microsoft Entra authentication and
/// authorization error codes", learn.microsoft.com).
const TRANSIENT: &[&str] = &["AADSTS90033", "AADSTS90006", "AADSTS90055", "AADSTS50196", "AADSTS50087", "AADSTS700084"];

fn refused(error: &(dyn std::error::Error + 'static)) -> Error {
    let message = whole_message(error);
    let code = entra_code(&message);
    let transient = match &code {
        Some(code) => TRANSIENT.contains(&code.as_str()),
        None => !sources(error).any(|source| source.is::<AssertionError>()),
    };
    Error::Token { code, message, transient }
}

/// `AADSTS` and its digits.
fn entra_code(message: &str) -> Option<String> {
    let at = message.find("AADSTS")?;
    let code: String = message.get(at..)?.chars().take_while(char::is_ascii_alphanumeric).collect();
    (code.len() > "AADSTS".len()).then_some(code)
}

fn sources<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// The messages of an error and its sources in one line, without the advice for developers at its end.
fn whole_message(error: &(dyn std::error::Error + 'static)) -> String {
    let mut message = String::new();
    for source in sources(error) {
        let text = source.to_string();
        let text = text.split("To troubleshoot, visit").next().unwrap_or_default().trim();
        if !message.contains(text) {
            message = if message.is_empty() { text.to_owned() } else { format!("{message}: {text}") };
        }
    }
    message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(1000).collect()
}

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
    fn entra_codes_are_read_and_told_apart() {
        for (message, code, transient) in [
            (
                "ClientSecretCredential authentication failed. AADSTS7000215: Invalid client secret.",
                Some("AADSTS7000215"),
                false,
            ),
            ("AADSTS90033: A transient error has occurred.", Some("AADSTS90033"), true),
            ("expected value at line 1 column 1", None, true),
        ] {
            let error = azure_core::Error::with_message(ErrorKind::Credential, message);
            let Error::Token { code: read, transient: passes, message: text } = refused(&error) else {
                panic!("no token error")
            };
            assert_eq!((read.as_deref(), passes), (code, transient), "{text}");
        }
        let error = azure_core::Error::new(ErrorKind::Credential, AssertionError("no ServiceAccount".into()));
        assert!(matches!(refused(&error), Error::Token { transient: false, .. }));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_text() {
        let error =
            ServicePrincipalJson::parse(&SecretString::from(r#"{"appId":"a","password":"hunter2"}"#)).err().unwrap();
        assert!(error.contains("tenant") && !error.contains("hunter2"));
    }
}
