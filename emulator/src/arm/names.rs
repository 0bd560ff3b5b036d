//! The names that Azure takes.

use crate::online::rules::Refusal;

fn refused(what: &str, name: &str, rule: &str) -> Refusal {
    Refusal { status: 400, code: "ValidationError", message: format!("The {what} name '{name}' is not valid: {rule}.") }
}

fn made_of(name: &str, more: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

/// `^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$`
pub(super) fn workspace(name: &str) -> Result<(), Refusal> {
    let good = (3..=33).contains(&name.len()) && made_of(name, "_-");
    let rule = "3 to 33 letters, digits, hyphens and underscores, a letter or digit first";
    if good { Ok(()) } else { Err(refused("workspace", name, rule)) }
}

/// 1 to 90 letters, digits, `-_.()`, no dot last.
pub(super) fn group(name: &str) -> Result<(), Refusal> {
    let known = |c: char| c.is_alphanumeric() || "-_.()".contains(c);
    let good = (1..=90).contains(&name.chars().count()) && name.chars().all(known) && !name.ends_with('.');
    let rule = "1 to 90 letters, digits, hyphens, underscores, dots and parentheses, no dot last";
    if good { Ok(()) } else { Err(refused("resource group", name, rule)) }
}

/// `^[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9\-]{2,23}$`
pub(super) fn compute(name: &str) -> Result<(), Refusal> {
    let numbered =
        name.rsplit_once('-').is_some_and(|(_, end)| !end.is_empty() && end.chars().all(|c| c.is_ascii_digit()));
    let good = (3..=24).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && made_of(name, "-")
        && !numbered;
    let rule = "3 to 24 letters, digits and hyphens, a letter first, no hyphen with a number last";
    if good { Ok(()) } else { Err(refused("compute", name, rule)) }
}

/// `^[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}$`; of versions dots too.
pub(super) fn asset(what: &str, name: &str) -> Result<(), Refusal> {
    let more = if what.ends_with("version") { "-_." } else { "-_" };
    let good = (1..=255).contains(&name.len()) && made_of(name, more);
    let rule = "up to 255 letters, digits, hyphens and underscores, a letter or digit first";
    if good { Ok(()) } else { Err(refused(what, name, rule)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_azures_rules() {
        for (name, good) in [("cpu", true), ("cpu-cluster", true), ("cpu-1", false), ("1cpu", false), ("cp", false)] {
            assert_eq!(compute(name).is_ok(), good, "{name}");
        }
        for (name, good) in [("ws", false), ("ws1", true), ("_ws", false)] {
            assert_eq!(workspace(name).is_ok(), good, "{name}");
        }
        for (name, good) in [("rg", true), ("my.(rg)_1", true), ("rg.", false), ("r g", false)] {
            assert_eq!(group(name).is_ok(), good, "{name}");
        }
        for (name, good) in [("bank", true), ("bank.csv", false), ("-x", false), ("", false)] {
            assert_eq!(asset("data", name).is_ok(), good, "{name}");
        }
        assert!(asset("data version", "1.2").is_ok());
    }
}
