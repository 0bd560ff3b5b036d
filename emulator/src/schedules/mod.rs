//! Schedules: when they fire, and what they submit then.

pub(crate) mod fire;
pub(crate) mod trigger;
mod zone;
