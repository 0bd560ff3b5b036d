//! Objects as somebody might write them: full ones that are admitted, wrong ones that are refused.

mod data;
mod runs;
mod serving;
mod workspace;

use serde_json::{Value, json};

/// An object that is refused.
pub struct Refused {
    /// What the case is about.
    pub what: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The object's name.
    pub name: &'static str,
    /// What differs from the smallest spec, as a merge patch.
    pub change: Value,
    /// What the refusal says.
    pub message: &'static str,
}

/// A spec that is refused, under a name that all kinds take.
fn refused_spec(kind: &'static str, what: &'static str, change: Value, message: &'static str) -> Refused {
    Refused { what, kind, name: "refused", change, message }
}

/// A name that is refused, with the smallest spec.
fn refused_name(kind: &'static str, name: &'static str, message: &'static str) -> Refused {
    Refused { what: name, kind, name, change: json!({}), message }
}

/// Everything that is refused when it is made.
pub fn refused() -> Vec<Refused> {
    [workspace::refused(), data::refused(), runs::refused(), serving::refused()].into_iter().flatten().collect()
}

/// Specs that use nearly every field, by kind.
pub fn full() -> Vec<(&'static str, Value)> {
    [workspace::full(), data::full(), runs::full(), serving::full()].into_iter().flatten().collect()
}
