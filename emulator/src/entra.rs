//! Entra ID: tokens for applications that prove themselves by a secret or by another issuer's token.

use crate::tokens::{Claims, LIFETIME, Signer};
use crate::world::{Principal, World};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Audience of tokens for Azure Resource Manager.
pub(crate) const ARM: &str = "https://management.azure.com";
/// Of Azure ML's data plane.
pub(crate) const ML: &str = "https://ml.azure.com";
/// Of blob storage.
pub(crate) const STORAGE: &str = "https://storage.azure.com";
/// Of queries over Application Insights.
pub(crate) const APPLICATION_INSIGHTS: &str = "https://api.applicationinsights.io";
/// Of queries over Log Analytics.
pub(crate) const LOG_ANALYTICS: &str = "https://api.loganalytics.io";

const AUDIENCES: [&str; 9] = [
    ARM,
    "https://management.core.windows.net",
    ML,
    STORAGE,
    APPLICATION_INSIGHTS,
    LOG_ANALYTICS,
    "https://api.loganalytics.azure.com",
    "https://vault.azure.net",
    "https://graph.microsoft.com",
];

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignInError {
    #[error("Tenant '{0}' not found. Check to make sure you have the correct tenant ID.")]
    Tenant(String),
    #[error("Application with identifier '{0}' was not found in the directory '{1}'.")]
    Application(String, String),
    #[error(
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{0}'."
    )]
    Secret(String),
    #[error("The request body must contain the following parameter: '{0}'.")]
    Missing(&'static str),
    #[error("The provided value for the input parameter 'scope' is not valid. The scope {0} is not valid.")]
    Scope(String),
    #[error("The resource principal named {0} was not found in the tenant.")]
    Resource(String),
    #[error("The grant type '{0}' is not supported by this emulator: use client_credentials.")]
    Grant(String),
    #[error("The client assertion is not a well-formed JWT: {0}.")]
    Malformed(String),
    #[error("No matching federated identity record found for presented assertion {claim} '{presented}'.")]
    Federation { code: u32, claim: &'static str, presented: String },
    #[error("Client assertion failed signature validation: {0}.")]
    Signature(String),
    #[error(
        "Client assertion audience claim does not match Realm issuer. The audience '{0}' is not this tenant's token endpoint."
    )]
    Audience(String),
    #[error("Client assertion is not within its valid time range.")]
    Time,
}

impl SignInError {
    /// Number after `AADSTS`.
    fn number(&self) -> u32 {
        match self {
            Self::Tenant(_) => 90_002,
            Self::Application(..) => 700_016,
            Self::Secret(_) => 7_000_215,
            Self::Missing("client_secret or client_assertion") => 7_000_218,
            Self::Missing(_) => 900_144,
            Self::Scope(_) => 70_011,
            Self::Resource(_) => 500_011,
            Self::Grant(_) => 70_003,
            Self::Malformed(_) => 50_027,
            Self::Federation { code, .. } => *code,
            Self::Audience(_) => 700_023,
            Self::Signature(_) => 700_027,
            Self::Time => 700_024,
        }
    }

    fn error(&self) -> (u16, &'static str) {
        match self {
            Self::Secret(_) | Self::Missing("client_secret or client_assertion") => (401, "invalid_client"),
            Self::Signature(_) | Self::Federation { .. } | Self::Audience(_) | Self::Time => (401, "invalid_client"),
            Self::Application(..) => (400, "unauthorized_client"),
            Self::Scope(_) => (400, "invalid_scope"),
            Self::Resource(_) => (400, "invalid_resource"),
            Self::Grant(_) => (400, "unsupported_grant_type"),
            Self::Tenant(_) | Self::Missing(_) | Self::Malformed(_) => (400, "invalid_request"),
        }
    }

    /// The status and the body with which Entra ID refuses.
    pub(crate) fn answer(&self, at: jiff::Timestamp) -> (u16, Value) {
        let (status, error) = self.error();
        let (trace, correlation) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
        let (number, time) = (self.number(), at.strftime("%Y-%m-%d %H:%M:%SZ"));
        let body = json!({
            "error": error,
            "error_description": format!("AADSTS{number}: {self} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}"),
            "error_codes": [number],
            "timestamp": time.to_string(),
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
        });
        (status, body)
    }
}

/// What a token says for a form that was sent to a tenant's token endpoint. `now` is the emulator's time, `machine` the
/// machine's: other issuers know that one only.
pub(crate) fn sign_in(
    world: &World,
    tenant: &str,
    form: &BTreeMap<String, String>,
    now: i64,
    machine: i64,
) -> Result<Claims, SignInError> {
    let text = |key: &str| form.get(key).map(String::as_str).filter(|text| !text.is_empty());
    let grant = text("grant_type").ok_or(SignInError::Missing("grant_type"))?;
    if grant != "client_credentials" {
        return Err(SignInError::Grant(grant.to_owned()));
    }
    let client = text("client_id").ok_or(SignInError::Missing("client_id"))?;
    let principal = find(world, tenant, client)?;
    let audience = audience(text("scope").ok_or(SignInError::Missing("scope"))?)?;
    match (text("client_secret"), text("client_assertion")) {
        (Some(secret), _) if principal.secret.as_deref() == Some(secret) => {}
        (Some(_), _) => return Err(SignInError::Secret(client.to_owned())),
        (None, Some(assertion)) if text("client_assertion_type") == Some(ASSERTION_TYPE) => {
            check_assertion(world, principal, assertion, machine)?;
        }
        (None, Some(_)) => return Err(SignInError::Missing("client_assertion_type")),
        (None, None) => return Err(SignInError::Missing("client_secret or client_assertion")),
    }
    Ok(claims_of(principal, audience, now))
}

fn claims_of(principal: &Principal, audience: String, now: i64) -> Claims {
    Claims {
        aud: audience,
        iss: format!("https://sts.windows.net/{}/", principal.tenant),
        tid: principal.tenant.clone(),
        oid: principal.object_id.clone(),
        appid: principal.client_id.clone(),
        iat: now,
        exp: now + LIFETIME,
    }
}

/// What a token says for the identity of this machine, which proves itself by being here.
pub(crate) fn managed(world: &World, client: Option<&str>, resource: &str, now: i64) -> Result<Claims, SignInError> {
    let audience = audience(&format!("{}/.default", resource.trim_end_matches("/.default").trim_end_matches('/')))?;
    let mut known = world.principals().filter(|known| known.managed);
    let found = known.find(|known| client.is_none_or(|client| known.client_id.eq_ignore_ascii_case(client)));
    let name = || client.unwrap_or("system-assigned").to_owned();
    let found = found.ok_or_else(|| SignInError::Application(name(), "this machine".to_owned()))?;
    Ok(claims_of(found, audience, now))
}

fn find<'a>(world: &'a World, tenant: &str, client: &str) -> Result<&'a Principal, SignInError> {
    if !world.principals().any(|known| known.tenant.eq_ignore_ascii_case(tenant)) {
        return Err(SignInError::Tenant(tenant.to_owned()));
    }
    let known = world.principal(client).filter(|known| known.tenant.eq_ignore_ascii_case(tenant));
    known.ok_or_else(|| SignInError::Application(client.to_owned(), tenant.to_owned()))
}

/// A scope or a resource as it is meant at an address: clients that are told of one cloud's Resource Manager ask for
/// tokens by its address.
pub(crate) fn scope_at(scope: &str, base: &str) -> String {
    match scope.strip_prefix(base) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{ARM}{rest}"),
        _ => scope.to_owned(),
    }
}

fn audience(scope: &str) -> Result<String, SignInError> {
    let scopes: Vec<&str> =
        scope.split(' ').filter(|word| !["openid", "profile", "offline_access", ""].contains(word)).collect();
    let [scope] = scopes.as_slice() else { return Err(SignInError::Scope(scope.to_owned())) };
    let audience = scope.strip_suffix("/.default").ok_or_else(|| SignInError::Scope((*scope).to_owned()))?;
    let known = AUDIENCES.iter().any(|known| known.eq_ignore_ascii_case(audience.trim_end_matches('/')));
    if known { Ok(audience.to_owned()) } else { Err(SignInError::Resource(audience.to_owned())) }
}

/// Checks another issuer's token against the application's federated credentials and the issuer's keys.
fn check_assertion(world: &World, principal: &Principal, assertion: &str, machine: i64) -> Result<(), SignInError> {
    let malformed = |error: jsonwebtoken::errors::Error| SignInError::Malformed(error.to_string());
    let header = decode_header(assertion).map_err(malformed)?;
    let claims = payload(assertion).ok_or_else(|| SignInError::Malformed("its claims are no JSON".to_owned()))?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let (issuer, subject) = (text("iss"), text("sub"));
    let audiences: Vec<&str> = match claims.get("aud") {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one],
        _ => Vec::new(),
    };
    if issuer.eq_ignore_ascii_case(&principal.client_id) {
        let endpoint = format!("/{}/oauth2/v2.0/token", principal.tenant).to_ascii_lowercase();
        if !audiences.iter().any(|audience| audience.to_ascii_lowercase().ends_with(&endpoint)) {
            return Err(SignInError::Audience(audiences.join(", ")));
        }
        check_certificate(principal, assertion)?;
        return check_time(&claims, machine);
    }
    let none = |code, claim, presented: &str| SignInError::Federation { code, claim, presented: presented.to_owned() };
    let same_issuer: Vec<_> = principal.federated.iter().filter(|known| same(&known.issuer, issuer)).collect();
    if same_issuer.is_empty() {
        return Err(none(700_211, "issuer", issuer));
    }
    let same_subject: Vec<_> = same_issuer.into_iter().filter(|known| known.subject == subject).collect();
    if same_subject.is_empty() {
        return Err(none(700_213, "subject", subject));
    }
    if !same_subject.iter().any(|known| audiences.contains(&known.audience.as_str())) {
        return Err(none(700_212, "audience", &audiences.join(", ")));
    }
    let keys =
        world.issuer(issuer).ok_or_else(|| SignInError::Signature(format!("the keys of {issuer} are unknown")))?;
    let key = key(keys, header.kid.as_deref())
        .ok_or_else(|| SignInError::Signature("no key of the issuer has its key id".to_owned()))?;
    let mut rules = Validation::new(Algorithm::RS256);
    rules.validate_exp = false;
    rules.validate_aud = false;
    decode::<Value>(assertion, &key, &rules).map_err(|error| SignInError::Signature(error.to_string()))?;
    check_time(&claims, machine)
}

/// An application may sign its assertion itself, with the key of one of its certificates.
fn check_certificate(principal: &Principal, assertion: &str) -> Result<(), SignInError> {
    let mut why = "the application has no certificate".to_owned();
    for algorithm in [Algorithm::RS256, Algorithm::PS256] {
        let mut rules = Validation::new(algorithm);
        rules.validate_exp = false;
        rules.validate_aud = false;
        for certificate in &principal.certificates {
            let key = DecodingKey::from_rsa_pem(certificate.as_bytes());
            match key.and_then(|key| decode::<Value>(assertion, &key, &rules)) {
                Ok(_) => return Ok(()),
                Err(error) => why = error.to_string(),
            }
        }
    }
    Err(SignInError::Signature(why))
}

fn check_time(claims: &Value, machine: i64) -> Result<(), SignInError> {
    let number = |name: &str| claims.get(name).and_then(Value::as_f64);
    // Entra ID allows five minutes of difference between clocks.
    let early = number("nbf").is_some_and(|from| from > machine as f64 + 300.0);
    let late = number("exp").is_none_or(|until| until < machine as f64 - 300.0);
    if early || late { Err(SignInError::Time) } else { Ok(()) }
}

fn same(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}

/// The claims of a token, unverified.
pub(crate) fn payload(token: &str) -> Option<Value> {
    use base64::Engine;
    let part = token.split('.').nth(1)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn key(keys: &Value, id: Option<&str>) -> Option<DecodingKey> {
    let list = keys.get("keys").and_then(Value::as_array)?;
    let text = |key: &Value, name: &str| key.get(name).and_then(Value::as_str).map(str::to_owned);
    let found = list.iter().find(|key| {
        let rsa = key.get("kty").and_then(Value::as_str) == Some("RSA");
        rsa && (id.is_none() || text(key, "kid").as_deref() == id)
    })?;
    DecodingKey::from_rsa_components(&text(found, "n")?, &text(found, "e")?).ok()
}

/// The answer to a sign-in that succeeded.
pub(crate) fn grant(signer: &Signer, claims: &Claims) -> Result<Value, crate::tokens::TokenError> {
    let token = signer.sign(claims)?;
    Ok(json!({"token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME, "access_token": token}))
}

/// The answer of the instance metadata service.
pub(crate) fn metadata(signer: &Signer, claims: &Claims) -> Result<Value, crate::tokens::TokenError> {
    Ok(json!({
        "access_token": signer.sign(claims)?, "token_type": "Bearer", "resource": claims.aud, "client_id": claims.appid,
        "expires_in": LIFETIME.to_string(), "expires_on": claims.exp.to_string(), "ext_expires_in": LIFETIME.to_string(),
        "not_before": claims.iat.to_string(),
    }))
}

/// `/{tenant}/v2.0/.well-known/openid-configuration`.
pub(crate) fn configuration(base: &str, tenant: &str) -> Value {
    json!({
        "issuer": format!("{base}/{tenant}/v2.0"),
        "token_endpoint": format!("{base}/{tenant}/oauth2/v2.0/token"),
        "authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/devicecode"),
        "end_session_endpoint": format!("{base}/{tenant}/oauth2/v2.0/logout"),
        "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "offline_access"],
    })
}

#[cfg(test)]
mod tests;
