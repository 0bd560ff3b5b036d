//! Durations in the two spellings that meet here: `1h30m` of Kubernetes and `PT1H30M` of ARM (ISO 8601).

use std::time::Duration;

/// Reads `1h30m`, `45s`, `500ms`, or ISO 8601 with days and smaller units (`P1DT2H`, `PT1M30S`).
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    match text.strip_prefix(['P', 'p']) {
        Some(rest) => iso(rest),
        None => units(text, &[("ms", 0.001), ("h", 3600.0), ("m", 60.0), ("s", 1.0)]),
    }
}

/// ISO 8601, as ARM takes it: `PT1H30M`, `PT5S`, `PT0S`.
#[must_use]
pub fn to_iso8601(duration: Duration) -> String {
    let text = spell(duration, ["H", "M", "S"]);
    format!("PT{}", if text.is_empty() { "0S" } else { &text })
}

/// As Kubernetes spells it: `1h30m`, `5s`, `0s`.
#[must_use]
pub fn to_short(duration: Duration) -> String {
    let text = spell(duration, ["h", "m", "s"]);
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// `1h30m` as `PT1H30M`; ISO 8601 stays what it means.
#[must_use]
pub fn iso8601(text: &str) -> Option<String> {
    parse(text).map(to_iso8601)
}

fn iso(rest: &str) -> Option<Duration> {
    let upper = rest.to_ascii_uppercase();
    let (days, time) = upper.split_once('T').unwrap_or((&upper, ""));
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let part = |text: &str, table| if text.is_empty() { Some(Duration::ZERO) } else { units(text, table) };
    part(days, &[("W", 604_800.0), ("D", 86_400.0)])?
        .checked_add(part(time, &[("H", 3600.0), ("M", 60.0), ("S", 1.0)])?)
}

fn units(text: &str, table: &[(&str, f64)]) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let (unit, factor) = table.iter().find(|(unit, _)| after.starts_with(unit))?;
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after.get(unit.len()..)?;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

fn spell(duration: Duration, [hour, minute, second]: [&str; 3]) -> String {
    let whole = duration.as_secs();
    let mut text = String::new();
    for (count, unit) in [(whole / 3600, hour), (whole / 60 % 60, minute)] {
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    let (seconds, millis) = (whole % 60, duration.subsec_millis());
    if millis > 0 {
        text.push_str(format!("{seconds}.{millis:03}").trim_end_matches('0'));
        text.push_str(second);
    } else if seconds > 0 {
        text.push_str(&format!("{seconds}{second}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_mean_the_same() {
        for (short, iso, seconds) in [
            ("30m", "PT30M", 1800.0),
            ("1h30m", "PT1H30M", 5400.0),
            ("90s", "PT1M30S", 90.0),
            ("2h", "PT2H", 7200.0),
            ("0s", "PT0S", 0.0),
            ("24h", "P1D", 86_400.0),
            ("500ms", "PT0.5S", 0.5),
        ] {
            assert_eq!(parse(short), Some(Duration::from_secs_f64(seconds)), "{short}");
            assert_eq!(parse(iso), parse(short), "{iso}");
            assert_eq!(parse(&to_iso8601(parse(short).unwrap())), parse(short));
            assert_eq!(
                parse(&to_short(parse(short).unwrap())).map(|duration| duration.as_secs()),
                parse(short).map(|duration| duration.as_secs())
            );
        }
        assert_eq!(iso8601("30m").as_deref(), Some("PT30M"));
        assert_eq!(iso8601("500ms").as_deref(), Some("PT0.5S"));
        assert_eq!(to_short(Duration::from_secs(5430)), "1h30m30s");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "P", "PT", "30", "m", "1x", "1h30", "PT1X", "-1h"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
