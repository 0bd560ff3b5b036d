use std::collections::BTreeMap;

use serde_json::json;

use super::*;

fn gate(bound: &serde_json::Value) -> Gate {
    serde_json::from_value(json!({"metrics": [bound]})).unwrap()
}

fn metrics(values: &[(&str, &str)]) -> Metrics {
    let validation: BTreeMap<String, String> =
        values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Metrics { validation, test: BTreeMap::new() }
}

fn data(name: &str) -> MeasuredData {
    MeasuredData { validation: name.into(), test: String::new() }
}

#[test]
fn bounds_are_judged_by_value_and_direction() {
    for (bound, new, old, verdict) in [
        (json!({"name": "AUC_weighted", "min": "0.9"}), "0.91", None, Verdict::Approved),
        (json!({"name": "AUCWeighted", "min": "0.9"}), "0.91", None, Verdict::Approved),
        (json!({"name": "AUC_weighted", "min": "0.9"}), "0.89", None, Verdict::Rejected),
        (json!({"name": "AUC_weighted", "max": "0.9"}), "0.91", None, Verdict::Rejected),
        (json!({"name": "accuracy", "min": "0.9"}), "0.91", None, Verdict::Inconclusive),
        (json!({"name": "AUC_weighted", "on": "test", "min": "0.9"}), "0.91", None, Verdict::Inconclusive),
        (json!({"name": "AUC_weighted", "maxRegression": "0.01"}), "0.90", None, Verdict::Approved),
        (json!({"name": "AUC_weighted", "maxRegression": "0.01"}), "0.895", Some("0.90"), Verdict::Approved),
        (json!({"name": "AUC_weighted", "maxRegression": "0.01"}), "0.89", Some("0.90"), Verdict::Approved),
        (json!({"name": "AUC_weighted", "maxRegression": "0.01"}), "0.88", Some("0.90"), Verdict::Rejected),
        (json!({"name": "AUC_weighted", "maxRegressionPercent": "5"}), "0.80", Some("0.90"), Verdict::Rejected),
        (
            json!({"name": "AUC_weighted", "maxRegression": "0.01", "direction": "LowerIsBetter"}),
            "0.88",
            Some("0.90"),
            Verdict::Approved,
        ),
    ] {
        let (new, old) = (metrics(&[("AUC_weighted", new)]), old.map(|old| metrics(&[("AUC_weighted", old)])));
        let same = data("d");
        let version = Measured { name: "2", metrics: &new, data: &same };
        let baseline = old.as_ref().map(|old| Measured { name: "1", metrics: old, data: &same });
        let (found, why) = judge(Some(&gate(&bound)), &version, baseline.as_ref());
        assert_eq!(found, verdict, "{bound}: {why}");
    }
}

#[test]
fn figures_of_other_data_or_of_unknown_direction_prove_nothing() {
    let values = metrics(&[("AUC_weighted", "0.5"), ("profit", "1")]);
    let (one, other) = (data("one"), data("other"));
    let version = Measured { name: "2", metrics: &values, data: &one };
    let of_other_data = Measured { name: "1", metrics: &values, data: &other };
    let of_same_data = Measured { name: "1", metrics: &values, data: &one };
    let bound = gate(&json!({"name": "AUC_weighted", "maxRegression": "0.01"}));
    assert_eq!(judge(Some(&bound), &version, Some(&of_other_data)).0, Verdict::Inconclusive);
    let bound = gate(&json!({"name": "profit", "maxRegression": "0.01"}));
    let (verdict, why) = judge(Some(&bound), &version, Some(&of_same_data));
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(why.contains("direction"), "{why}");
}

#[test]
fn without_bounds_every_version_passes() {
    let (values, data) = (metrics(&[]), data(""));
    let version = Measured { name: "1", metrics: &values, data: &data };
    assert_eq!(judge(None, &version, None).0, Verdict::Approved);
}
