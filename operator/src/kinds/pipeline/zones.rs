//! Time zones: IANA's names, which people write, and the Windows names that Azure's schedules take.

/// From CLDR; its first lines say where it is from.
const TABLE: &str = include_str!("windows_zones.tsv");

/// The Windows name for an IANA name.
#[must_use]
pub fn windows(iana: &str) -> Option<&'static str> {
    let rows = TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'));
    rows.filter(|(_, names)| names.split(' ').any(|name| name == iana)).map(|(windows, _)| windows).next()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn names_of_people_lead_to_names_of_azure() {
        for (iana, expected) in [
            ("UTC", Some("UTC")),
            ("Etc/UTC", Some("UTC")),
            ("Europe/Berlin", Some("W. Europe Standard Time")),
            ("Europe/Vienna", Some("W. Europe Standard Time")),
            ("America/New_York", Some("Eastern Standard Time")),
            ("Asia/Kolkata", Some("India Standard Time")),
            ("Asia/Calcutta", Some("India Standard Time")),
            ("Europe/Kyiv", Some("FLE Standard Time")),
            ("US/Pacific", Some("Pacific Standard Time")),
            ("Europe/Springfield", None),
            ("W. Europe Standard Time", None),
        ] {
            assert_eq!(windows(iana), expected, "{iana}");
        }
    }

    #[test]
    fn each_name_stands_once_and_is_a_zone() {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for (windows, names) in TABLE.lines().filter_map(|line| line.split_once('\t')) {
            for name in names.split(' ') {
                assert_eq!(seen.insert(name, windows), None, "{name}");
            }
        }
        assert!(seen.len() > 550, "{}", seen.len());
        // What the machine's own table has not is no matter: it may be younger or older than CLDR's.
        let known = seen.keys().filter(|name| TimeZone::get(name).is_ok()).count();
        assert!(known * 10 > seen.len() * 9, "{known} of {}", seen.len());
    }
}
