use proptest::prelude::*;
use serde_json::json;

use super::*;

fn version(name: &str, auc: &str, verdict: Option<Verdict>, gate: Option<&Gate>) -> Version {
    let mut version = Version {
        version: name.into(),
        ours: true,
        verdict,
        reason: verdict.map(|_| "said".into()),
        gate_hash: verdict.map(|_| gate::hash(gate)),
        ..Version::default()
    };
    version.metrics.validation.insert("AUC_weighted".into(), auc.into());
    version
}

fn gate(approval: &str) -> Gate {
    serde_json::from_value(json!({"metrics": [{"name": "AUC_weighted", "min": "0.9"}], "approval": approval})).unwrap()
}

fn question<'a>(gate: &'a Gate, versions: &'a [Version]) -> Question<'a> {
    Question {
        gate: Some(gate),
        pinned: None,
        overridden: None,
        approved_by_hand: None,
        existing: Vec::new(),
        versions,
        before: None,
    }
}

#[test]
fn the_newest_version_that_passes_is_approved_and_one_that_does_not_changes_nothing() {
    let gate = gate("Automatic");
    let good = version("1", "0.95", None, None);
    let bad = version("2", "0.5", None, None);
    let one = [good.clone()];
    assert_eq!(question(&gate, &one).decide().approved.as_deref(), Some("1"));
    let two = [good, bad];
    let answer = Question { before: Some("1"), ..question(&gate, &two) }.decide();
    assert_eq!((answer.approved.as_deref(), answer.latest.as_deref()), (Some("1"), Some("2")));
    assert_eq!(answer.verdict.unwrap().0, Verdict::Rejected);
}

#[test]
fn a_manual_gate_waits_for_a_person() {
    let gate = gate("Manual");
    let one = [version("1", "0.95", None, None)];
    let waiting = question(&gate, &one).decide();
    assert_eq!((waiting.approved, waiting.verdict.unwrap().0), (None, Verdict::Pending));
    let named = Question { pinned: Some("1"), ..question(&gate, &one) }.decide();
    assert_eq!(named.approved.as_deref(), Some("1"));
    let by_hand = Question { approved_by_hand: Some("1"), ..question(&gate, &one) }.decide();
    assert_eq!(by_hand.approved.as_deref(), Some("1"));
}

#[test]
fn a_rejected_or_foreign_version_is_refused_where_the_spec_names_it() {
    let gate = gate("Automatic");
    let mut foreign = version("2", "0.99", None, None);
    foreign.ours = false;
    let versions = [version("1", "0.5", Some(Verdict::Rejected), Some(&gate)), foreign];
    let pin = |pinned, overridden| Question { pinned: Some(pinned), overridden, ..question(&gate, &versions) }.decide();
    assert!(matches!(pin("1", None).refused, Some(Refusal::Rejected { .. })));
    assert_eq!(pin("1", Some("1")).approved.as_deref(), Some("1"));
    assert_eq!(pin("2", None).refused, Some(Refusal::Foreign("2".into())));
    assert_eq!(pin("9", None).refused, Some(Refusal::Missing("9".into())));
}

#[test]
fn a_rebuilt_cluster_approves_what_was_approved_before() {
    let gate = gate("Automatic");
    let versions = [
        version("1", "0.95", Some(Verdict::Approved), Some(&gate)),
        version("2", "0.96", Some(Verdict::Approved), Some(&gate)),
        version("3", "0.5", Some(Verdict::Rejected), Some(&gate)),
    ];
    assert_eq!(question(&gate, &versions).decide().approved.as_deref(), Some("2"));
}

proptest! {
    /// Whatever is registered, pinned and named: what is approved has passed the gate, or a person named it.
    #[test]
    fn never_an_unapproved_version_approved(
        scores in prop::collection::vec(0..100_u32, 0..6),
        manual in any::<bool>(),
        pin in prop::option::of(1..8_usize),
        by_hand in prop::option::of(1..8_usize),
        overridden in prop::option::of(1..8_usize),
        foreign in 0..8_usize,
    ) {
        let gate = gate(if manual { "Manual" } else { "Automatic" });
        let names: Vec<String> = (1..9).map(|number: usize| number.to_string()).collect();
        let named = |number: Option<usize>| number.map(|number| names[number - 1].as_str());
        let mut versions = Vec::new();
        let mut before: Option<String> = None;
        for (index, score) in scores.iter().enumerate() {
            let mut new = version(&names[index], &format!("0.{score:02}"), None, None);
            new.ours = index + 1 != foreign;
            versions.push(new);
            let asked = Question {
                pinned: named(pin), approved_by_hand: named(by_hand), overridden: named(overridden),
                before: before.as_deref(), ..question(&gate, &versions)
            };
            let answer = asked.decide();
            if let Some(approved) = &answer.approved {
                let chosen: usize = approved.parse().unwrap();
                prop_assert!(chosen != foreign, "a foreign version");
                let passes = scores[chosen - 1] >= 90;
                let person = pin == Some(chosen);
                prop_assert!(passes || (person && overridden == Some(chosen)), "{approved} does not pass");
                prop_assert!(!manual || person || by_hand == Some(chosen), "{approved} waits for a person");
            }
            before = answer.approved;
        }
    }
}
