//! Azure Resource Manager's token buckets ("Understand how Azure Resource Manager throttles requests",
//! learn.microsoft.com): one for each principal in a subscription and kind of request, and a larger one for all of them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// What stands for every subscription that is not named.
const ANY: &str = "*";

/// A kind of request that has buckets of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Reads,
    Writes,
    Deletes,
}

impl Kind {
    /// By the method.
    pub(crate) fn of(method: &str) -> Self {
        match method {
            "GET" | "HEAD" | "OPTIONS" => Self::Reads,
            "DELETE" => Self::Deletes,
            _ => Self::Writes,
        }
    }

    /// As header names have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Deletes => "deletes",
        }
    }
}

/// How much a bucket holds, and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rate {
    pub(crate) size: f64,
    pub(crate) per_second: f64,
}

/// The buckets of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Sizes {
    pub(crate) reads: Rate,
    pub(crate) writes: Rate,
    pub(crate) deletes: Rate,
    /// How many times larger the bucket of the whole subscription is.
    pub(crate) global_factor: f64,
}

impl Default for Sizes {
    fn default() -> Self {
        let changes = Rate { size: 200.0, per_second: 10.0 };
        Self { reads: Rate { size: 250.0, per_second: 25.0 }, writes: changes, deletes: changes, global_factor: 15.0 }
    }
}

impl Sizes {
    fn rate(&self, kind: Kind) -> Rate {
        match kind {
            Kind::Reads => self.reads,
            Kind::Writes => self.writes,
            Kind::Deletes => self.deletes,
        }
    }
}

/// Which subscriptions are throttled: none at first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Throttling {
    /// By id; `*` stands for all others.
    pub(crate) subscriptions: BTreeMap<String, Sizes>,
}

impl Throttling {
    pub(super) fn everywhere() -> Self {
        Self { subscriptions: [(ANY.to_owned(), Sizes::default())].into() }
    }

    pub(super) fn of(&self, subscription: &str) -> Option<&Sizes> {
        let named = self.subscriptions.iter().find(|(name, _)| name.eq_ignore_ascii_case(subscription));
        named.map(|(_, sizes)| sizes).or_else(|| self.subscriptions.get(ANY))
    }
}

/// Who asks, of what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) subscription: &'a str,
    pub(crate) principal: &'a str,
    pub(crate) kind: Kind,
}

/// What became of a request at the buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It goes on; so many more would, of the principal and of the whole subscription.
    Passed { own: u64, all: u64 },
    /// It does not, and should come again after so many seconds.
    Refused { seconds: u64 },
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Timestamp,
    /// Until when whoever was refused has to stay away.
    closed: Option<Timestamp>,
}

impl Bucket {
    fn full(rate: Rate, now: Timestamp) -> Self {
        Self { left: rate.size, at: now, closed: None }
    }

    fn fill(&mut self, rate: Rate, now: Timestamp) {
        let passed = now.duration_since(self.at).as_secs_f64().max(0.0);
        self.left = (self.left + passed * rate.per_second).min(rate.size);
        self.at = now;
    }

    /// Seconds until there is a token, at least one.
    fn wait(&self, rate: Rate) -> u64 {
        let missing = (1.0 - self.left).max(0.0);
        let seconds = if rate.per_second > 0.0 { missing / rate.per_second } else { 3600.0 };
        seconds.ceil().clamp(1.0, 3600.0) as u64
    }
}

/// All buckets that were ever asked for something.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    own: HashMap<(String, String, Kind), Bucket>,
    all: HashMap<(String, Kind), Bucket>,
}

impl Buckets {
    /// Takes a token of the principal's and one of the subscription's. Who comes back too early waits anew.
    pub(crate) fn take(&mut self, sizes: &Sizes, caller: &Caller<'_>, now: Timestamp) -> Admission {
        let Caller { subscription, principal, kind } = *caller;
        let subscription = subscription.to_ascii_lowercase();
        let rate = sizes.rate(kind);
        let global = Rate { size: rate.size * sizes.global_factor, per_second: rate.per_second * sizes.global_factor };
        let all = self.all.entry((subscription.clone(), kind)).or_insert_with(|| Bucket::full(global, now));
        let key = (subscription, principal.to_ascii_lowercase(), kind);
        let own = self.own.entry(key).or_insert_with(|| Bucket::full(rate, now));
        own.fill(rate, now);
        all.fill(global, now);
        let early = own.closed.is_some_and(|until| now < until);
        if early || own.left < 1.0 || all.left < 1.0 {
            let seconds = own.wait(rate).max(all.wait(global));
            own.closed = now.checked_add(SignedDuration::from_secs(seconds.cast_signed())).ok();
            return Admission::Refused { seconds };
        }
        own.closed = None;
        own.left -= 1.0;
        all.left -= 1.0;
        Admission::Passed { own: own.left as u64, all: all.left as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).unwrap()
    }

    fn caller(principal: &str, kind: Kind) -> Caller<'_> {
        Caller { subscription: "s", principal, kind }
    }

    fn passes(buckets: &mut Buckets, caller: &Caller<'_>, now: Timestamp) -> bool {
        matches!(buckets.take(&Sizes::default(), caller, now), Admission::Passed { .. })
    }

    #[test]
    fn a_bucket_holds_what_azure_says_and_fills_again() {
        for (kind, size, per_second) in [(Kind::Reads, 250, 25), (Kind::Writes, 200, 10), (Kind::Deletes, 200, 10)] {
            let mut buckets = Buckets::default();
            let one = caller("one", kind);
            let passed = (0..1000).filter(|_| passes(&mut buckets, &one, at(0))).count();
            assert_eq!(passed, size, "{kind:?}");
            let later = (0..1000).filter(|_| passes(&mut buckets, &one, at(1000))).count();
            assert_eq!(later, per_second, "{kind:?}");
            let other = buckets.take(&Sizes::default(), &caller("two", kind), at(1000));
            assert!(matches!(other, Admission::Passed { own, .. } if own == size as u64 - 1), "{other:?}");
        }
    }

    #[test]
    fn who_comes_back_too_early_waits_anew() {
        let mut buckets = Buckets::default();
        let one = caller("one", Kind::Writes);
        while passes(&mut buckets, &one, at(0)) {}
        for early in [500, 1400, 2300] {
            let refused = buckets.take(&Sizes::default(), &one, at(early));
            assert_eq!(refused, Admission::Refused { seconds: 1 }, "{early}");
        }
        assert!(passes(&mut buckets, &one, at(3300)));
    }

    #[test]
    fn all_principals_of_a_subscription_share_fifteen_times_as_much() {
        let mut buckets = Buckets::default();
        let names: Vec<String> = (0..20).map(|n| format!("p{n}")).collect();
        let passed = names
            .iter()
            .flat_map(|name| std::iter::repeat_n(name, 200))
            .filter(|name| passes(&mut buckets, &caller(name, Kind::Writes), at(0)))
            .count();
        assert_eq!(passed, 3000);
    }
}
