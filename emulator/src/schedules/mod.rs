//! Schedules: when they fire.

pub(crate) mod trigger;
mod zone;
