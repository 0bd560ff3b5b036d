//! The emulator's clock: the machine's, until somebody steps it or makes it run faster.

use crate::data_dir::Keep;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

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

/// A setting as it is kept: by the machine's time, for no other outlives a process.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredSetting {
    pub(crate) from: Timestamp,
    pub(crate) at: Timestamp,
    pub(crate) speed: f64,
}

/// Key of its record.
pub(crate) const CLOCK: &str = "clock";

/// Seconds after which a wait looks again.
const LONGEST: f64 = 3600.0;

/// The clock.
pub(crate) struct Clock {
    setting: Mutex<Setting>,
    /// Told whenever it is set.
    changes: watch::Sender<()>,
    keep: Keep,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(None, Timestamp::now(), Keep::default())
    }
}

impl Clock {
    /// As it was set when it was kept, or the machine's; `machine` is the machine's time. While no process ran, it went on.
    pub(crate) fn new(kept: Option<StoredSetting>, machine: Timestamp, keep: Keep) -> Self {
        let kept = kept.unwrap_or(StoredSetting { from: machine, at: machine, speed: 1.0 });
        let passed = machine.duration_since(kept.at).as_secs_f64().max(0.0) * kept.speed;
        let passed = SignedDuration::try_from_secs_f64(passed).unwrap_or(SignedDuration::ZERO);
        let from = kept.from.checked_add(passed).unwrap_or(kept.from);
        let setting = Mutex::new(Setting { from, at: Instant::now(), speed: kept.speed });
        Self { setting, changes: watch::channel(()).0, keep }
    }

    /// How many of its seconds pass in one.
    pub(crate) fn speed(&self) -> f64 {
        self.setting.lock().unwrap_or_else(PoisonError::into_inner).speed
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.setting.lock().unwrap_or_else(PoisonError::into_inner).now()
    }

    /// Steps it forward, and sets how many seconds it makes of one.
    pub(crate) fn set(&self, advance: f64, speed: Option<f64>) -> Timestamp {
        let mut setting = self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        let step = SignedDuration::try_from_secs_f64(advance).unwrap_or(SignedDuration::ZERO);
        let now = setting.now();
        let from = now.checked_add(step).unwrap_or(now);
        *setting = Setting { from, at: Instant::now(), speed: speed.unwrap_or(setting.speed) };
        let stored = StoredSetting { from, at: Timestamp::now(), speed: setting.speed };
        self.keep.put(|| CLOCK.to_owned(), &stored);
        drop(setting);
        self.changes.send_replace(());
        from
    }

    /// Waits until it shows an instant, however often it is set meanwhile.
    pub(crate) async fn until(&self, at: Timestamp) {
        let mut changes = self.changes.subscribe();
        loop {
            let (left, speed) = {
                let setting = self.setting.lock().unwrap_or_else(PoisonError::into_inner);
                (at.duration_since(setting.now()).as_secs_f64(), setting.speed)
            };
            if left <= 0.0 {
                return;
            }
            let real = if speed > 0.0 { left / speed } else { LONGEST };
            let real = Duration::from_secs_f64(real.clamp(0.001, LONGEST));
            // An error can't be: the sender lives as long as the clock.
            let _ = tokio::time::timeout(real, changes.changed()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_as_it_was_set_while_no_process_runs() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let kept = StoredSetting { from: at("2030-01-01T00:00:00Z"), at: at("2026-01-01T00:00:00Z"), speed: 60.0 };
        let clock = Clock::new(Some(kept), at("2026-01-01T00:01:00Z"), Keep::default());
        let passed = clock.now().duration_since(at("2030-01-01T01:00:00Z"));
        assert!(passed >= SignedDuration::ZERO && passed < SignedDuration::from_hours(1), "{passed}");
        assert!((clock.speed() - 60.0).abs() < f64::EPSILON);
    }

    #[test]
    fn it_can_be_stepped_and_stopped() {
        let clock = Clock::default();
        let before = clock.now();
        let stepped = clock.set(3600.0, Some(0.0));
        assert!(stepped.duration_since(before) >= SignedDuration::from_hours(1));
        assert_eq!(clock.now(), clock.now());
    }

    #[tokio::test]
    async fn who_waits_goes_on_when_it_is_stepped_there() {
        let clock = std::sync::Arc::new(Clock::default());
        let stopped = clock.set(0.0, Some(0.0));
        let at = stopped.checked_add(SignedDuration::from_hours(1)).unwrap();
        let waiting = std::sync::Arc::clone(&clock);
        let waiting = tokio::spawn(async move { waiting.until(at).await });
        clock.set(3599.0, None);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        clock.set(1.0, None);
        waiting.await.unwrap();
    }
}
