//! What all surfaces share, and what jobs and endpoints see of it.

mod gate;
mod ground;

use crate::access::refusal;
use crate::arm::providers;
use crate::blob::Blobs;
use crate::blob::signature::AccountKey;
use crate::clock::Clock;
use crate::control::exchanges::Exchanges;
use crate::control::faults::Faults;
use crate::control::requests::Requests;
use crate::control::secrets::Secrets;
use crate::data_dir::{DataDirError, Keep};
use crate::entra;
use crate::manners::Manners;
use crate::online::rules::Refusal;
use crate::operations::Operations;
use crate::tokens::{Claims, LIFETIME, Signer, TokenError};
use crate::world::World;
use axum::http::HeaderMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The state that all surfaces share.
pub(crate) struct Estate {
    pub(crate) clock: Arc<Clock>,
    pub(crate) signer: Signer,
    pub(crate) blobs: Blobs,
    pub(crate) account_key: AccountKey,
    pub(crate) operations: Operations,
    pub(crate) faults: Faults,
    pub(crate) requests: Requests,
    pub(crate) secrets: Secrets,
    pub(crate) manners: Manners,
    pub(crate) keep: Keep,
    pub(crate) exchanges: Exchanges,
    world: Mutex<World>,
    /// Object id of the emulator itself: what it does by requests of its own is allowed.
    itself: String,
}

impl Estate {
    /// With nothing in it but the keys and the clock that were kept; what comes into it is written down.
    pub(crate) fn new(keep: Keep) -> Result<Self, DataDirError> {
        let mut world = World::default();
        if keep.is_on() {
            world.remember();
        }
        Ok(Self {
            clock: Arc::new(keep.clock()?),
            signer: keep.signer()?,
            blobs: Blobs::kept_by(keep.clone()),
            account_key: keep.account_key()?,
            operations: Operations::kept_by(keep.clone()),
            faults: Faults::default(),
            requests: Requests::default(),
            secrets: Secrets::default(),
            manners: Manners::default(),
            world: Mutex::new(world),
            keep,
            exchanges: Exchanges::default(),
            itself: uuid::Uuid::new_v4().to_string(),
        })
    }

    /// Principals, roles and resources.
    pub(crate) fn world(&self) -> Held<'_> {
        Held { world: self.world.lock().unwrap_or_else(PoisonError::into_inner), keep: &self.keep }
    }

    /// A token for requests of the emulator's own.
    pub(crate) fn own_token(&self) -> Result<String, TokenError> {
        let now = self.clock.now().as_second();
        let name = "azureml-emulator".to_owned();
        self.signer.sign(&Claims {
            aud: entra::ARM.to_owned(),
            iss: name.clone(),
            tid: name.clone(),
            oid: self.itself.clone(),
            appid: name,
            iat: now,
            exp: now + LIFETIME,
        })
    }

    /// What the token of a request says, if it is for one of the audiences.
    pub(crate) fn authenticate(&self, headers: &HeaderMap, audiences: &[&str]) -> Result<Claims, Refusal> {
        let refused = |message: String| Refusal { status: 401, code: "InvalidAuthenticationToken", message };
        let bearer = headers.get("authorization").and_then(|value| value.to_str().ok());
        let token =
            bearer.and_then(|value| value.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
        let (_, token) =
            token.ok_or_else(|| refused("The 'Authorization' header is missing or no bearer token.".to_owned()))?;
        let now = self.clock.now().as_second();
        let mut last = None;
        for audience in audiences {
            match self.signer.check(token.trim(), audience, now) {
                Ok(claims) => return Ok(claims),
                // That it is for another service says less than what is wrong with it for its own.
                Err(error) if last.is_none() || !matches!(error, TokenError::Audience { .. }) => last = Some(error),
                Err(_) => {}
            }
        }
        let why = last.as_ref().map_or_else(String::new, ToString::to_string);
        let refusal = refused(format!("The access token is invalid: {why}."));
        let expired = matches!(last, Some(TokenError::Expired));
        Err(Refusal { code: if expired { "ExpiredAuthenticationToken" } else { refusal.code }, ..refusal })
    }

    /// Whether a principal may do an action on a resource.
    pub(crate) fn authorize(&self, claims: &Claims, action: &str, resource: &str) -> Result<(), Refusal> {
        let (world, now) = (self.world(), self.clock.now());
        if claims.oid == self.itself || world.may(&claims.oid, action, resource, now) {
            return registered(&world, action, resource, now);
        }
        Err(Refusal {
            status: 403,
            code: "AuthorizationFailed",
            message: refusal(&claims.appid, &claims.oid, action, resource),
        })
    }
}

/// Nothing is written into a subscription whose resource provider is not registered.
fn registered(world: &World, action: &str, resource: &str, now: jiff::Timestamp) -> Result<(), Refusal> {
    let (namespace, rest) = action.split_once('/').unwrap_or((action, ""));
    let lower = resource.to_ascii_lowercase();
    let changes = ["/write", "/delete"].iter().any(|verb| rest.ends_with(verb));
    let subscription = lower.strip_prefix("/subscriptions/").map(|rest| rest.split('/').next().unwrap_or_default());
    match subscription {
        Some(subscription) if changes && providers::state(world, subscription, namespace, now) != "Registered" => {
            Err(providers::missing(namespace))
        }
        _ => Ok(()),
    }
}

/// The world while nobody else has it: what changed of it is written down when this goes.
pub(crate) struct Held<'a> {
    world: MutexGuard<'a, World>,
    keep: &'a Keep,
}

impl Deref for Held<'_> {
    type Target = World;
    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.keep.is_on() {
            self.keep.write(self.world.changes());
        }
    }
}

/// The audiences that a service takes, by the action that is asked of it.
pub(crate) fn audiences(action: &str) -> &'static [&'static str] {
    let action = action.to_ascii_lowercase();
    if action.starts_with("microsoft.insights/components/query") {
        return &[entra::APPLICATION_INSIGHTS, entra::LOG_ANALYTICS, "https://api.loganalytics.azure.com"];
    }
    if action.ends_with("/score/action") || action.contains("/batchendpoints/jobs/") {
        return &[entra::ML];
    }
    &[entra::ARM, "https://management.core.windows.net"]
}
