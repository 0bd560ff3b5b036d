//! How often an object may try while a fault lasts. The bound follows from the operator's own configuration and the
//! times in the emulator's log, not from how fast the machine is.
//!
//! - What passes by itself is tried again after the poll interval, then after twice as long each time up to the longest
//!   back-off: with the shipped values (10 s, 1 m) at most four tries in the first minute and one a minute afterwards.
//! - What a person has to see to is tried again each `stalledRetry` (5 m as shipped).
//! - Where Azure names a time, nothing is asked before it is over.

use jiff::Timestamp;

/// The operator's configuration for the matrix, in seconds: a thirtieth of what is shipped.
pub const POLL: f64 = 0.3;
/// The longest back-off.
pub const MAX_BACKOFF: f64 = 2.0;
/// How often a stalled object is tried again.
pub const STALLED_RETRY: f64 = 3.0;
/// Tries beyond the pace: the first one, and one for each change that wakes the object (its spec, what it refers to).
const WAKES: u64 = 3;
/// The most requests about its object that one try makes, reads included.
pub const REQUESTS_A_TRY: u64 = 10;

/// The most requests about its object that one look at an operation makes.
pub const REQUESTS_A_LOOK: u64 = 4;

/// How what failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// By the growing back-off.
    Backoff,
    /// Each time a stalled object is.
    Stalled,
    /// When Azure says, in seconds, or by the back-off where that is longer.
    Asked(f64),
}

impl Pace {
    /// The most tries in a window of so many seconds.
    pub fn allowed(self, window: f64) -> u64 {
        let gap = |nth: u32| match self {
            Self::Backoff => (POLL * f64::from(2_u32.pow(nth.saturating_sub(1).min(16)))).min(MAX_BACKOFF),
            Self::Stalled => STALLED_RETRY,
            Self::Asked(seconds) => seconds,
        };
        let (mut spent, mut gaps) = (gap(0), 0_u32);
        while spent <= window {
            gaps += 1;
            spent += gap(gaps);
        }
        u64::from(gaps) + WAKES
    }
}

/// Seconds from the first of these times to the last.
pub fn window(times: &[String]) -> f64 {
    let at = |text: Option<&String>| text.and_then(|text| text.parse::<Timestamp>().ok());
    match (at(times.first()), at(times.last())) {
        (Some(first), Some(last)) => last.duration_since(first).as_secs_f64(),
        _ => 0.0,
    }
}

/// The shortest time between two that follow each other, in seconds.
pub fn shortest_gap(times: &[String]) -> Option<f64> {
    times.windows(2).map(window).min_by(f64::total_cmp)
}
