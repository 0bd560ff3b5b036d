//! When to stop: a flag that others set, and a deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A flag that ends a run from outside: clone it, keep one, hand in the other.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A flag that isn't set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the run soon: training looks at the flag between trees and iterations.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`Cancel::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why training stopped before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    Cancelled,
    TimedOut,
}

/// Looked at while training.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    pub(crate) cancel: Cancel,
    pub(crate) deadline: Option<Instant>,
}

impl Watch {
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        if self.cancel.is_cancelled() {
            return Err(Stopped::Cancelled);
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Stopped::TimedOut),
            _ => Ok(()),
        }
    }

    /// Seconds that are left, if there is a deadline.
    pub(crate) fn left(&self) -> Option<f32> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()).as_secs_f32())
    }
}
