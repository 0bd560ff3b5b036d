//! When an object at rest is looked at in full: when its list's entry says something new, and once in an interval at a
//! moment of its own, so that the looks of many objects are spread evenly. The deciding is pure.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

/// The last full look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// When.
    pub at: Timestamp,
    /// What the list's entry said then, where that is known.
    pub mark: Option<String>,
}

/// The last moment at or before `now` that is an object's own: one in each interval, wherever a process started.
#[must_use]
pub fn own_moment(uid: &str, now: Timestamp, interval: Duration) -> Timestamp {
    let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
    let digest = Sha256::digest(uid.as_bytes());
    let start = digest.iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let offset = i64::try_from(start % interval.unsigned_abs()).unwrap_or_default();
    let now = now.as_millisecond();
    let since = now.saturating_sub(offset).rem_euclid(interval);
    Timestamp::from_millisecond(now.saturating_sub(since)).unwrap_or(Timestamp::MIN)
}

/// A full look is due: the entry says something else than at the last one, or the object's own moment came since.
#[must_use]
pub fn needs_full_look(last: &Last, mark: Option<&str>, uid: &str, now: Timestamp, interval: Duration) -> bool {
    let is_news = last.mark.is_some() && last.mark.as_deref() != mark;
    is_news || own_moment(uid, now, interval) > last.at
}

/// The last full looks at objects, by uid, with what was seen.
#[derive(Debug)]
pub struct FullLooks<T> {
    interval: Duration,
    /// As long before the start as the time between two looks: a process that starts ever anew misses no moment.
    since: Timestamp,
    looks: Mutex<HashMap<String, (Last, Option<T>)>>,
}

impl<T: Clone> FullLooks<T> {
    /// Nothing was looked at yet.
    #[must_use]
    pub fn new(interval: Duration, started: Timestamp, resync: Duration) -> Self {
        let before = SignedDuration::try_from(resync).ok().and_then(|resync| started.checked_sub(resync).ok());
        Self { interval, since: before.unwrap_or(started), looks: Mutex::default() }
    }

    /// A full look is due. Of what this process has not looked at yet, `before` is what the list's entry is taken to
    /// have said at the last look; where that is not known either, what it says now.
    pub fn is_due(&self, uid: &str, mark: Option<&str>, before: Option<&str>, now: Timestamp) -> bool {
        let Ok(mut looks) = self.looks.lock() else { return true };
        let (last, _) = looks
            .entry(uid.to_owned())
            .or_insert_with(|| (Last { at: self.since, mark: before.or(mark).map(str::to_owned) }, None));
        needs_full_look(last, mark, uid, now, self.interval)
    }

    /// What the last full look saw, where this process made it.
    pub fn seen(&self, uid: &str) -> Option<T> {
        self.looks.lock().ok()?.get(uid)?.1.clone()
    }

    /// It was looked at in full.
    pub fn looked(&self, uid: &str, mark: Option<&str>, seen: T, now: Timestamp) {
        if let Ok(mut looks) = self.looks.lock() {
            looks.insert(uid.to_owned(), (Last { at: now, mark: mark.map(str::to_owned) }, Some(seen)));
        }
    }

    /// The object is gone.
    pub fn forget(&self, uid: &str) {
        if let Ok(mut looks) = self.looks.lock() {
            looks.remove(uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn uid(number: u128) -> String {
        Uuid::from_u128(number).to_string()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn news_is_looked_at_at_once_and_the_same_is_not() {
        let moment = own_moment("uid-1", at(0), DAY);
        let soon = moment + SignedDuration::from_secs(60);
        let last = |mark: Option<&str>| Last { at: moment, mark: mark.map(str::to_owned) };
        assert!(!needs_full_look(&last(Some("3")), Some("3"), "uid-1", soon, DAY));
        assert!(needs_full_look(&last(Some("3")), Some("4"), "uid-1", soon, DAY));
        assert!(needs_full_look(&last(Some("3")), None, "uid-1", soon, DAY));
        assert!(!needs_full_look(&last(None), Some("3"), "uid-1", soon, DAY), "what was never known is no news");
        let tomorrow = moment + SignedDuration::from_hours(24);
        assert!(needs_full_look(&last(Some("3")), Some("3"), "uid-1", tomorrow, DAY));
    }

    #[test]
    fn after_a_start_only_what_changed_meanwhile_or_has_its_moment_is_looked_at() {
        let moment = own_moment("uid-1", at(0), DAY);
        let later = |hours: i64| moment + SignedDuration::from_hours(hours);
        let looks: FullLooks<()> = FullLooks::new(DAY, later(5), HOUR);
        assert!(!looks.is_due("uid-1", Some("3"), Some("3"), later(5)));
        assert!(looks.is_due("uid-1", Some("4"), Some("3"), later(6)));
        let unknown: FullLooks<()> = FullLooks::new(DAY, later(5), HOUR);
        assert!(!unknown.is_due("uid-1", Some("3"), None, later(5)));
        assert!(unknown.is_due("uid-1", Some("4"), None, later(6)), "from then on it is known");
        // A start right after the moment does not skip it.
        let missed: FullLooks<()> = FullLooks::new(DAY, moment + SignedDuration::from_secs(1), HOUR);
        assert!(missed.is_due("uid-1", None, None, moment + SignedDuration::from_secs(2)));
        missed.looked("uid-1", None, (), moment + SignedDuration::from_secs(2));
        assert!(!missed.is_due("uid-1", None, None, later(1)));
        assert_eq!(missed.seen("uid-1"), Some(()));
    }

    proptest! {
        #[test]
        fn each_object_has_one_moment_in_each_interval(number: u128, second in 0_i64..1_000_000_000, hours in 1_u64..1000) {
            let (uid, interval, now) = (uid(number), HOUR * u32::try_from(hours).unwrap(), at(second));
            let moment = own_moment(&uid, now, interval);
            prop_assert!(moment <= now);
            prop_assert!(now.duration_since(moment) < SignedDuration::try_from(interval).unwrap());
            prop_assert_eq!(own_moment(&uid, moment, interval), moment, "a moment is its own");
            let next = moment + SignedDuration::try_from(interval).unwrap();
            prop_assert_eq!(own_moment(&uid, next, interval), next);
        }

        #[test]
        fn the_moments_of_many_objects_are_spread_over_the_day(number: u128, second in 0_i64..1_000_000_000) {
            let now = at(second);
            let mut hours = [0_usize; 24];
            for object in 0..1000_u128 {
                let since = now.duration_since(own_moment(&uid(number.wrapping_add(object)), now, DAY));
                hours[usize::try_from(since.as_secs() / 3600).unwrap()] += 1;
            }
            // 42 an hour on average.
            prop_assert!(hours.iter().all(|count| (10..=84).contains(count)), "{hours:?}");
        }

        #[test]
        fn however_the_looks_fall_and_processes_start_no_day_is_skipped(
            number: u128,
            second in 0_i64..1_000_000_000,
            steps in proptest::collection::vec((60_i64..3600, any::<bool>()), 100..200),
        ) {
            let uid = uid(number);
            let mut now = at(second);
            let mut looks: FullLooks<()> = FullLooks::new(DAY, now, HOUR);
            let mut last = None;
            for (step, restart) in steps {
                now += SignedDuration::from_secs(step);
                if restart {
                    looks = FullLooks::new(DAY, now, HOUR);
                }
                if looks.is_due(&uid, Some("1"), Some("1"), now) {
                    looks.looked(&uid, Some("1"), (), now);
                    last = Some(now);
                }
                // From the first moment on, none goes by without a look within an hour.
                let moment = own_moment(&uid, now, DAY);
                if moment > at(second) {
                    prop_assert!(last.is_some_and(|last| last >= moment), "moment {moment}, last look {last:?}");
                }
            }
        }
    }
}
