//! Azure's manners that can be set: how long operations take, what is throttled, how late things are seen.

pub(crate) mod durations;
mod latency;
mod settings;
pub(crate) mod throttle;

use jiff::{SignedDuration, Timestamp};
use latency::Slow;
use serde_json::Value;
pub(crate) use settings::Settings;
use settings::SettingsError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use throttle::{Admission, Buckets, Caller};

/// Settings that are in force, with what was made of them.
struct InForce {
    settings: Settings,
    slow: Vec<Slow>,
}

/// The manners. Quick at first: nothing is throttled, late or slow.
pub(crate) struct Manners {
    current: Mutex<Arc<InForce>>,
    buckets: Mutex<Buckets>,
}

impl Default for Manners {
    fn default() -> Self {
        let current = InForce { settings: Settings::default(), slow: Vec::new() };
        Self { current: Mutex::new(Arc::new(current)), buckets: Mutex::default() }
    }
}

impl Manners {
    fn lock(&self) -> MutexGuard<'_, Arc<InForce>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Arc<InForce> {
        Arc::clone(&self.lock())
    }

    /// The settings as they are shown, and kept.
    pub(crate) fn show(&self) -> Value {
        serde_json::to_value(&self.current().settings).unwrap_or_default()
    }

    /// Changes what a merge patch (RFC 7396) names; a `profile` in it brings that profile's settings first.
    pub(crate) fn change(&self, patch: &Value) -> Result<(), SettingsError> {
        let mut current = self.lock();
        let settings = current.settings.changed(patch)?;
        let slow = settings.latencies.iter().map(Slow::new).collect::<Result<_, _>>()?;
        *current = Arc::new(InForce { settings, slow });
        Ok(())
    }

    /// How long the operation that a request begins takes, on the emulator's clock.
    pub(crate) fn duration(&self, method: &str, path: &str) -> SignedDuration {
        let seconds = self.current().settings.operations.seconds(&durations::kind(method, path));
        SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::ZERO)
    }

    /// What `Retry-After` tells of an operation.
    pub(crate) fn retry_after(&self) -> u64 {
        self.current().settings.operations.retry_after_seconds
    }

    /// Time that a request takes longer, by the machine's clock.
    pub(crate) fn latency(&self, method: &str, path: &str) -> Duration {
        let current = self.current();
        current.slow.iter().filter(|slow| slow.matches(method, path)).map(|slow| slow.by).sum()
    }

    /// Takes a token for a request; `None` when nobody throttles its subscription.
    pub(crate) fn admit(&self, caller: &Caller<'_>, now: Timestamp) -> Option<Admission> {
        let current = self.current();
        let sizes = current.settings.throttling.of(caller.subscription)?;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        Some(buckets.take(sizes, caller, now))
    }

    /// Entries on a page, when a client asks for no fewer.
    pub(crate) fn page_size(&self) -> usize {
        self.current().settings.page_size.max(1)
    }

    /// How long after it was given a role counts.
    pub(crate) fn role_delay(&self) -> SignedDuration {
        seconds(self.current().settings.role_delay_seconds)
    }

    /// How long it takes to register a resource provider.
    pub(crate) fn registration(&self) -> SignedDuration {
        seconds(self.current().settings.registration_seconds)
    }

    /// How long after it was made a resource is in lists.
    pub(crate) fn list_lag(&self) -> SignedDuration {
        seconds(self.current().settings.list_lag_seconds)
    }

    /// How long after a request Azure Monitor counts it.
    pub(crate) fn metrics_lag(&self) -> SignedDuration {
        seconds(self.current().settings.metrics_lag_seconds)
    }
}

fn seconds(seconds: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::ZERO)
}
