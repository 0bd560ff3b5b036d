//! How often in a row an object's reconciles failed: what the next try waits for. Kept in memory alone, for after a
//! restart it may be tried at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failures of one object in a row.
#[derive(Clone, Copy, Debug)]
struct Row {
    failures: u32,
    reason: &'static str,
    /// Since when it fails for this reason.
    since: Instant,
}

/// By the object's uid.
#[derive(Debug, Default)]
pub struct Tries(Mutex<HashMap<String, Row>>);

impl Tries {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Row>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It failed; how long it has failed for this reason.
    pub fn failed(&self, uid: &str, reason: &'static str, now: Instant) -> Duration {
        let mut rows = self.lock();
        let row = rows.entry(uid.to_owned()).or_insert(Row { failures: 0, reason, since: now });
        if row.reason != reason {
            (row.reason, row.since) = (reason, now);
        }
        row.failures = row.failures.saturating_add(1);
        now.saturating_duration_since(row.since)
    }

    /// It went well, or it is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// How long to wait after what was told last: `first`, and twice as long each time, up to `longest`.
    pub fn pause(&self, uid: &str, first: Duration, longest: Duration) -> Duration {
        let failures = self.lock().get(uid).map_or(0, |row| row.failures);
        let doubled = first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
        doubled.min(longest.max(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_pause_doubles_with_each_failure_and_begins_anew_once_it_went_well() {
        let (tries, now) = (Tries::default(), Instant::now());
        let pauses: Vec<u64> = (0..5)
            .map(|_| {
                tries.failed("a", "Throttled", now);
                tries.pause("a", 10 * SECOND, 60 * SECOND).as_secs()
            })
            .collect();
        assert_eq!(pauses, [10, 20, 40, 60, 60]);
        tries.forget("a");
        tries.failed("a", "Throttled", now);
        assert_eq!(tries.pause("a", 10 * SECOND, 60 * SECOND), 10 * SECOND);
        assert_eq!(tries.pause("b", 10 * SECOND, SECOND), 10 * SECOND, "never less than the first");
    }

    #[test]
    fn time_counts_from_the_first_failure_for_the_same_reason() {
        let (tries, now) = (Tries::default(), Instant::now());
        assert_eq!(tries.failed("a", "RolePropagating", now), Duration::ZERO);
        assert_eq!(tries.failed("a", "RolePropagating", now + 5 * SECOND), 5 * SECOND);
        assert_eq!(tries.failed("a", "Throttled", now + 6 * SECOND), Duration::ZERO);
        assert_eq!(tries.failed("a", "RolePropagating", now + 9 * SECOND), Duration::ZERO);
    }
}
