//! The emulator's clock: the machine's, until somebody steps it or makes it run faster.

use jiff::{SignedDuration, Timestamp};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Where the clock stood when it was last set, and how fast it has run since.
#[derive(Debug, Clone, Copy)]
struct Setting {
    from: Timestamp,
    at: Instant,
    speed: f64,
}

impl Setting {
    fn now(&self) -> Timestamp {
        let passed = self.at.elapsed().as_secs_f64() * self.speed;
        let passed = SignedDuration::try_from_secs_f64(passed).unwrap_or(SignedDuration::ZERO);
        self.from.checked_add(passed).unwrap_or(self.from)
    }
}

/// The clock.
#[derive(Debug)]
pub(crate) struct Clock(Mutex<Setting>);

impl Default for Clock {
    fn default() -> Self {
        Self(Mutex::new(Setting { from: Timestamp::now(), at: Instant::now(), speed: 1.0 }))
    }
}

impl Clock {
    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).now()
    }

    /// Steps it forward, and sets how many seconds it makes of one.
    pub(crate) fn set(&self, advance: f64, speed: Option<f64>) -> Timestamp {
        let mut setting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let step = SignedDuration::try_from_secs_f64(advance).unwrap_or(SignedDuration::ZERO);
        let now = setting.now();
        let from = now.checked_add(step).unwrap_or(now);
        *setting = Setting { from, at: Instant::now(), speed: speed.unwrap_or(setting.speed) };
        from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_stepped_and_stopped() {
        let clock = Clock::default();
        let before = clock.now();
        let stepped = clock.set(3600.0, Some(0.0));
        assert!(stepped.duration_since(before) >= SignedDuration::from_hours(1));
        assert_eq!(clock.now(), clock.now());
    }
}
