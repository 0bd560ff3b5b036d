//! The request budget: Azure Resource Manager's own token buckets, kept on this side of the wire too, so that Azure
//! never has to say 429, and so that what a person waits for goes before what only keeps watch.
//!
//! Sizes: "Understand how Azure Resource Manager throttles requests" (learn.microsoft.com): a bucket a subscription
//! and principal for reads (250, 25 a second), writes and deletes (200, 10 a second each), and one fifteen times as large
//! for all principals of a subscription together.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Who waits for a request. The first goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Somebody changed something and looks on.
    #[default]
    Person,
    /// Traffic goes back to the last good revision.
    RollBack,
    /// An operation or a job is under way.
    Poll,
    /// Nothing is expected to have changed.
    Drift,
}

impl Priority {
    /// The share of a bucket that is left for those who go before.
    fn reserve(self) -> f64 {
        match self {
            Self::Person | Self::RollBack => 0.0,
            Self::Poll => 0.2,
            Self::Drift => 0.5,
        }
    }
}

/// What a request does; Azure counts each apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// GET, HEAD and the POSTs that change nothing.
    Read,
    /// PUT, PATCH, POST.
    Write,
    /// DELETE.
    Delete,
}

/// A bucket's size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// How many requests it holds.
    pub size: f64,
    /// How many come back in a second.
    pub refill_per_second: f64,
}

/// How many times larger the bucket of all principals together is.
const ALL_PRINCIPALS: f64 = 15.0;

impl Limit {
    fn times(self, factor: f64) -> Self {
        Self { size: self.size * factor, refill_per_second: self.refill_per_second * factor }
    }
}

/// The sizes of the three buckets of a principal in a subscription.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// For reads.
    pub reads: Limit,
    /// For writes.
    pub writes: Limit,
    /// For deletes.
    pub deletes: Limit,
}

impl Default for Limits {
    fn default() -> Self {
        let changes = Limit { size: 200.0, refill_per_second: 10.0 };
        Self { reads: Limit { size: 250.0, refill_per_second: 25.0 }, writes: changes, deletes: changes }
    }
}

impl Limits {
    fn of(&self, kind: Kind) -> Limit {
        match kind {
            Kind::Read => self.reads,
            Kind::Write => self.writes,
            Kind::Delete => self.deletes,
        }
    }
}

/// Whom a bucket belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A principal in a subscription: what Azure Resource Manager counts.
    Principal {
        /// The subscription's id in lower case.
        subscription: String,
        /// Its name, the same for all credentials of one principal.
        principal: String,
    },
    /// All principals of a subscription, by its id in lower case.
    Subscription(String),
    /// A service, by host or subscription and resource: not counted here, but its refusals are heeded.
    Service(String),
}

/// More than anybody sends.
const UNLIMITED: Limit = Limit { size: 1e9, refill_per_second: 1e15 };

/// The longest pause after refusals that named no time, where nobody says another.
const LONGEST: Duration = Duration::from_secs(64);

/// All buckets of a process.
pub struct Budgets {
    limits: Limits,
    /// The longest pause after refusals that named no time.
    longest: Duration,
    buckets: Mutex<HashMap<(Subject, Kind), Bucket>>,
}

impl fmt::Debug for Budgets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Budgets").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Default for Budgets {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Budgets {
    /// Full buckets.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, longest: LONGEST, buckets: Mutex::default() }
    }

    /// With another longest pause after refusals that name no time.
    #[must_use]
    pub fn pausing_at_most(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// Takes one request, or says how long to wait for it.
    ///
    /// # Errors
    /// The time until it is worth asking again.
    pub fn take(&self, subject: &Subject, kind: Kind, priority: Priority, now: Instant) -> Result<(), Duration> {
        self.with(subject, kind, now, |bucket| bucket.take(priority, now))
    }

    /// Azure answered 429, in these words: nobody asks before that is over, for asking early renews the wait.
    pub fn refused(&self, subject: &Subject, kind: Kind, retry_after: Option<Duration>, words: &str, now: Instant) {
        let longest = self.longest;
        self.with(subject, kind, now, |bucket| bucket.refused(retry_after, longest, words, now));
    }

    /// What Azure said when it last refused, where it has not answered well since.
    pub fn said(&self, subject: &Subject, kind: Kind, now: Instant) -> Option<String> {
        self.with(subject, kind, now, |bucket| bucket.said.clone())
    }

    /// Azure answered; `remaining` is what it said is left (`x-ms-ratelimit-remaining-subscription-*`).
    pub fn answered(&self, subject: &Subject, kind: Kind, remaining: Option<u32>, now: Instant) {
        self.with(subject, kind, now, |bucket| bucket.answered(remaining));
    }

    fn with<T>(&self, subject: &Subject, kind: Kind, now: Instant, act: impl FnOnce(&mut Bucket) -> T) -> T {
        // A bucket is whole at every moment: a panic elsewhere does not spoil it.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = match subject {
            Subject::Principal { .. } => self.limits.of(kind),
            Subject::Subscription(_) => self.limits.of(kind).times(ALL_PRINCIPALS),
            Subject::Service(_) => UNLIMITED,
        };
        act(buckets.entry((subject.clone(), kind)).or_insert_with(|| Bucket::full(limit, now)))
    }
}

/// One token bucket.
#[derive(Debug)]
struct Bucket {
    limit: Limit,
    left: f64,
    counted: Instant,
    closed_until: Option<Instant>,
    /// Refusals in a row that named no time.
    refusals: u32,
    /// What the last refusal said.
    said: Option<String>,
}

impl Bucket {
    fn full(limit: Limit, now: Instant) -> Self {
        Self { limit, left: limit.size, counted: now, closed_until: None, refusals: 0, said: None }
    }

    fn take(&mut self, priority: Priority, now: Instant) -> Result<(), Duration> {
        if let Some(wait) =
            self.closed_until.and_then(|until| until.checked_duration_since(now)).filter(|wait| !wait.is_zero())
        {
            return Err(wait);
        }
        let passed = now.saturating_duration_since(self.counted).as_secs_f64();
        self.left = (self.left + passed * self.limit.refill_per_second).min(self.limit.size);
        self.counted = now;
        let missing = self.limit.size * priority.reserve() + 1.0 - self.left;
        if missing > 0.0 {
            return Err(Duration::from_secs_f64((missing / self.limit.refill_per_second).clamp(0.001, 3600.0)));
        }
        self.left -= 1.0;
        Ok(())
    }

    fn refused(&mut self, retry_after: Option<Duration>, longest: Duration, words: &str, now: Instant) {
        self.said = Some(words.to_owned());
        let wait = retry_after.unwrap_or_else(|| {
            self.refusals = (self.refusals + 1).min(6);
            Duration::from_secs(1 << self.refusals).min(longest)
        });
        let until = now + wait;
        self.closed_until = Some(self.closed_until.map_or(until, |earlier| earlier.max(until)));
        self.left = 0.0;
        self.counted = until;
    }

    fn answered(&mut self, remaining: Option<u32>) {
        self.refusals = 0;
        self.said = None;
        if let Some(remaining) = remaining {
            self.left = self.left.min(f64::from(remaining));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn s() -> Subject {
        of("s", "app")
    }

    fn of(subscription: &str, principal: &str) -> Subject {
        Subject::Principal { subscription: subscription.into(), principal: principal.into() }
    }

    fn drain(budgets: &Budgets, priority: Priority, now: Instant) -> usize {
        (0..1000).take_while(|_| budgets.take(&s(), Kind::Write, priority, now).is_ok()).count()
    }

    #[test]
    fn drift_and_polling_leave_room_for_a_person() {
        let (budgets, now) = (Budgets::default(), Instant::now());
        assert_eq!(drain(&budgets, Priority::Drift, now), 100);
        assert_eq!(drain(&budgets, Priority::Poll, now), 60);
        assert_eq!(drain(&budgets, Priority::Person, now), 40);
        assert!(budgets.take(&s(), Kind::Write, Priority::RollBack, now).is_err());
        assert!(budgets.take(&s(), Kind::Read, Priority::Drift, now).is_ok(), "reads are counted apart");
        for other in [of("t", "app"), of("s", "other")] {
            assert!(budgets.take(&other, Kind::Write, Priority::Drift, now).is_ok(), "{other:?} is counted apart");
        }
    }

    #[test]
    fn all_principals_together_have_fifteen_times_as_much() {
        let (budgets, now) = (Budgets::default(), Instant::now());
        let all = Subject::Subscription("s".into());
        let count = (0..10_000).take_while(|_| budgets.take(&all, Kind::Read, Priority::Person, now).is_ok()).count();
        assert_eq!(count, 3750);
    }

    #[test]
    fn throughput_stays_at_the_documented_refill() {
        let (budgets, now) = (Budgets::default(), Instant::now());
        drain(&budgets, Priority::Person, now);
        assert_eq!(drain(&budgets, Priority::Person, now + 10 * SECOND), 100);
    }

    #[test]
    fn the_time_to_wait_is_the_time_after_which_it_succeeds() {
        let (budgets, now) = (Budgets::default(), Instant::now());
        for priority in [Priority::Drift, Priority::Poll, Priority::Person] {
            drain(&budgets, priority, now);
            let wait = budgets.take(&s(), Kind::Write, priority, now).unwrap_err();
            assert!(
                budgets.take(&s(), Kind::Write, priority, now + wait + Duration::from_millis(1)).is_ok(),
                "{priority:?}"
            );
            drain(&budgets, Priority::Person, now + wait + Duration::from_millis(1));
        }
    }

    #[test]
    fn a_refusal_closes_the_bucket_for_as_long_as_azure_says() {
        let (budgets, now) = (Budgets::default(), Instant::now());
        budgets.refused(&s(), Kind::Write, Some(17 * SECOND), "429", now);
        assert_eq!(budgets.take(&s(), Kind::Write, Priority::Person, now + SECOND), Err(16 * SECOND));
        assert!(budgets.take(&s(), Kind::Write, Priority::Person, now + 18 * SECOND).is_ok());
    }

    #[test]
    fn refusals_without_a_time_double_up_to_a_minute() {
        let (budgets, mut now) = (Budgets::default(), Instant::now());
        let waits: Vec<u64> = (0..8)
            .map(|_| {
                budgets.refused(&s(), Kind::Read, None, "429", now);
                let wait = budgets.take(&s(), Kind::Read, Priority::Person, now).unwrap_err();
                now += wait;
                wait.as_secs()
            })
            .collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 64, 64]);
        budgets.answered(&s(), Kind::Read, None, now);
        budgets.refused(&s(), Kind::Read, None, "429", now);
        assert_eq!(budgets.take(&s(), Kind::Read, Priority::Person, now), Err(2 * SECOND));
    }

    #[test]
    fn the_last_refusal_is_told_until_azure_answers_well() {
        let (budgets, now) = (Budgets::default().pausing_at_most(3 * SECOND), Instant::now());
        for _ in 0..5 {
            budgets.refused(&s(), Kind::Read, None, "429 TooManyRequests", now);
        }
        assert_eq!(budgets.take(&s(), Kind::Read, Priority::Person, now), Err(3 * SECOND));
        assert_eq!(budgets.said(&s(), Kind::Read, now).as_deref(), Some("429 TooManyRequests"));
        assert_eq!(budgets.said(&s(), Kind::Write, now), None);
        budgets.answered(&s(), Kind::Read, None, now);
        assert_eq!(budgets.said(&s(), Kind::Read, now), None);
    }

    #[test]
    fn what_azure_says_is_left_counts() {
        let (budgets, now) = (Budgets::default(), Instant::now());
        budgets.answered(&s(), Kind::Write, Some(3), now);
        assert_eq!(drain(&budgets, Priority::Person, now), 3);
    }

    #[test]
    fn other_services_are_not_counted_but_heeded() {
        let (budgets, now) = (Budgets::default(), Instant::now());
        let blobs = Subject::Service("acct.blob blobs".into());
        for _ in 0..100_000 {
            budgets.take(&blobs, Kind::Write, Priority::Drift, now).unwrap();
        }
        budgets.refused(&blobs, Kind::Write, Some(SECOND), "429", now);
        assert_eq!(budgets.take(&blobs, Kind::Write, Priority::Person, now), Err(SECOND));
        assert!(budgets.take(&blobs, Kind::Write, Priority::Drift, now + SECOND + Duration::from_millis(1)).is_ok());
    }
}
