//! The rules of the election, without a clock or a cluster of their own.
//!
//! As in client-go: who does not hold the Lease counts how long he has seen it unchanged by his own clock, and never
//! compares the times that are written in it, so that clocks that differ make no second leader.

use std::time::Duration;

use super::tenure::BootTime;

/// How long a Lease lasts, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// After so long without a renewal anybody may take it.
    pub duration: Duration,
}

impl Terms {
    /// A holder that has not renewed for so long writes no more: a third is left for what it has sent already.
    #[must_use]
    pub fn renew_deadline(&self) -> Duration {
        self.duration * 2 / 3
    }

    /// How often it is renewed, or looked at by those who wait for it.
    #[must_use]
    pub fn retry_period(&self) -> Duration {
        self.duration / 6
    }
}

/// What a Lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; nobody, where it was given back.
    pub holder: Option<String>,
    /// How long it lasts by the word of its holder.
    pub duration: Duration,
    /// Changes with every write.
    pub version: String,
}

/// What is to be done about a Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is none: make it.
    Create,
    /// Nobody holds it any more: take it.
    Take,
    /// It is held by the one who asks: renew it.
    Renew,
    /// Somebody else holds it.
    Wait,
}

/// Since when a Lease has been seen as it is.
#[derive(Debug, Default)]
pub struct Sighting {
    seen: Option<(Record, BootTime)>,
}

impl Sighting {
    /// What `me` has to do about the Lease that was read `now`.
    pub fn step(&mut self, me: &str, record: Option<Record>, now: BootTime) -> Step {
        let Some(record) = record else {
            self.seen = None;
            return Step::Create;
        };
        let since = match &self.seen {
            Some((seen, since)) if *seen == record => *since,
            _ => now,
        };
        let step = match record.holder.as_deref() {
            None | Some("") => Step::Take,
            Some(holder) if holder == me => Step::Renew,
            Some(_) if now.since(since) >= record.duration => Step::Take,
            Some(_) => Step::Wait,
        };
        self.seen = Some((record, since));
        step
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DURATION: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> BootTime {
        BootTime::after(Duration::from_secs(seconds))
    }

    fn held(by: &str, version: &str) -> Option<Record> {
        Some(Record { holder: Some(by.to_owned()), duration: DURATION, version: version.to_owned() })
    }

    #[test]
    fn a_lease_that_is_not_there_is_made() {
        assert_eq!(Sighting::default().step("me", None, at(0)), Step::Create);
    }

    #[test]
    fn a_lease_that_was_given_back_is_taken_at_once() {
        let free = Record { holder: None, duration: DURATION, version: "1".to_owned() };
        let empty = Record { holder: Some(String::new()), ..free.clone() };
        for record in [free, empty] {
            assert_eq!(Sighting::default().step("me", Some(record), at(0)), Step::Take);
        }
    }

    #[test]
    fn ones_own_lease_is_renewed() {
        assert_eq!(Sighting::default().step("me", held("me", "1"), at(0)), Step::Renew);
    }

    #[test]
    fn a_foreign_lease_is_taken_once_it_was_seen_unchanged_for_its_whole_duration() {
        let mut sighting = Sighting::default();
        assert_eq!(sighting.step("me", held("other", "1"), at(100)), Step::Wait);
        assert_eq!(sighting.step("me", held("other", "1"), at(129)), Step::Wait);
        assert_eq!(sighting.step("me", held("other", "2"), at(130)), Step::Wait, "renewed meanwhile");
        assert_eq!(sighting.step("me", held("other", "2"), at(159)), Step::Wait);
        assert_eq!(sighting.step("me", held("other", "2"), at(160)), Step::Take);
    }

    proptest! {
        /// Whatever two replicas see and when, and however long their reads take: while one may still write, the other
        /// does not take the Lease.
        #[test]
        fn nobody_takes_a_lease_whose_holder_may_still_write(
            renewals in prop::collection::vec((1_u64..25, 0_u64..4), 1..20),
            looks in prop::collection::vec(1_u64..9, 1..120),
        ) {
            let terms = Terms { duration: DURATION };
            // The holder sends a renewal, and the API server writes it a little later.
            let mut sent = Vec::new();
            let mut clock = 0;
            for (pause, travel) in renewals {
                clock += pause;
                sent.push((clock, clock + travel));
                clock += travel;
            }
            let mut sighting = Sighting::default();
            let mut now = sent[0].1;
            for pause in looks {
                let version = sent.iter().filter(|(_, written)| *written <= now).count();
                let step = sighting.step("me", held("other", &version.to_string()), at(now));
                let last = sent[version - 1].0;
                let writes_until = last + terms.renew_deadline().as_secs();
                if step == Step::Take {
                    prop_assert!(now >= writes_until, "taken at {now}, written until {writes_until}");
                    break;
                }
                now += pause;
            }
        }
    }
}
