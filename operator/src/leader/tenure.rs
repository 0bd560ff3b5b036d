//! How long this replica may write.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::election::Terms;

/// A moment by the clock that goes on while the machine is suspended (`CLOCK_BOOTTIME`): the usual monotonic clock
/// stands still then, and a laptop that wakes up would still take itself for the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(Duration);

impl BootTime {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        // Neither is ever negative: the clock begins at 0 with the machine.
        Self(Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0)))
    }

    /// So long after the machine's start.
    #[cfg(test)]
    pub fn after(start: Duration) -> Self {
        Self(start)
    }

    /// How long ago another moment was.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The time that this replica has been given to write.
///
/// A Lease lasts from the moment when its renewal was *sent*: whoever else looks at it has seen the renewal later, and
/// waits for the whole duration from then on.
#[derive(Debug)]
pub struct Tenure {
    /// None: nobody is elected, and this replica always leads.
    terms: Option<Terms>,
    /// Nanoseconds since the machine's start when the last renewal was sent; [`NEVER`] where the Lease is not held.
    renewed: AtomicU64,
}

const NEVER: u64 = u64::MAX;

impl Tenure {
    /// Not begun.
    #[must_use]
    pub fn by(terms: Terms) -> Self {
        Self { terms: Some(terms), renewed: AtomicU64::new(NEVER) }
    }

    /// Without an election.
    #[must_use]
    pub fn unlimited() -> Self {
        Self { terms: None, renewed: AtomicU64::new(NEVER) }
    }

    /// A renewal that was sent then went well.
    pub fn renewed(&self, sent: BootTime) {
        let nanoseconds = u64::try_from(sent.0.as_nanos()).unwrap_or(NEVER);
        self.renewed.store(nanoseconds, Ordering::Release);
    }

    /// Somebody else holds the Lease.
    pub fn end(&self) {
        self.renewed.store(NEVER, Ordering::Release);
    }

    /// How long what is written now may take until somebody else may write; `None`: nothing is to be written.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        self.left_at(BootTime::now())
    }

    fn left_at(&self, now: BootTime) -> Option<Duration> {
        let Some(terms) = self.terms else { return Some(Duration::MAX) };
        let renewed = self.renewed.load(Ordering::Acquire);
        if renewed == NEVER {
            return None;
        }
        let passed = now.since(BootTime(Duration::from_nanos(renewed)));
        (passed < terms.renew_deadline()).then(|| terms.duration.saturating_sub(passed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { duration: Duration::from_secs(30) };

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_tenure_ends_a_third_of_the_lease_before_the_lease_does() {
        let tenure = Tenure::by(TERMS);
        tenure.renewed(BootTime(seconds(100)));
        for (now, left) in [(100, Some(30)), (119, Some(11)), (120, None), (130, None), (4000, None)] {
            assert_eq!(tenure.left_at(BootTime(seconds(now))), left.map(seconds), "{now}");
        }
    }

    #[test]
    fn nothing_is_written_before_the_lease_is_held_nor_after_another_holds_it() {
        let tenure = Tenure::by(TERMS);
        assert_eq!(tenure.left_at(BootTime(seconds(1))), None);
        tenure.renewed(BootTime(seconds(1)));
        assert_eq!(tenure.left_at(BootTime(seconds(1))), Some(seconds(30)));
        tenure.end();
        assert_eq!(tenure.left_at(BootTime(seconds(1))), None);
    }

    #[test]
    fn without_an_election_there_is_no_end() {
        assert_eq!(Tenure::unlimited().left(), Some(Duration::MAX));
    }

    #[test]
    fn the_clock_goes_on() {
        let first = BootTime::now();
        assert!(BootTime::now() >= first);
        assert!(first > BootTime(Duration::ZERO));
    }
}
