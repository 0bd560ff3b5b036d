//! What the machine does, case by case.

use std::time::Duration;

use azureml_crds::endpoint::{OnFailure, RolloutPhase};
use azureml_crds::reasons;

use super::simulation::{Fate, Simulation, revision, weight};
use super::traffic::Traffic;
use super::{Deployed, Desired, Move, Proof, Provisioning, Request, Step};
use crate::shell::Standing;

fn stable(steps: Vec<Step>) -> Simulation {
    let mut world = Simulation::new(steps);
    world.want("a");
    world.settle();
    world.done.clear();
    world
}

fn put(hash: &str) -> Move {
    Move::PutDeployment { deployment: format!("bank-{hash}") }
}

fn delete(hash: &str) -> Move {
    Move::DeleteDeployment { deployment: format!("bank-{hash}") }
}

fn share(parts: &[(&str, i32)]) -> Move {
    Move::SetTraffic(traffic(parts))
}

fn traffic(parts: &[(&str, i32)]) -> Traffic {
    parts.iter().map(|(hash, share)| (format!("bank-{hash}"), *share)).collect()
}

fn prove(hash: Option<&str>) -> Move {
    Move::Prove { deployment: hash.map(|hash| format!("bank-{hash}")) }
}

fn reason(standing: &Standing) -> &'static str {
    match standing {
        Standing::Ready { reason, .. }
        | Standing::Progressing { reason, .. }
        | Standing::Stalled { reason, .. }
        | Standing::Holding { reason, .. } => reason,
    }
}

#[test]
fn the_first_revision_is_proved_takes_all_traffic_and_is_proved_again() {
    let mut world = Simulation::new(vec![weight(10, 60), Step::Approval]);
    world.want("a");
    let end = world.settle();
    assert_eq!(world.done, [put("a"), prove(Some("a")), share(&[("a", 100)]), prove(None)]);
    assert!(matches!(end.standing, Standing::Ready { .. }), "{:?}", end.standing);
    assert_eq!(world.state.stable, Some(revision("a")));
    assert_eq!(world.state.rollout.phase, RolloutPhase::Done);
    assert_eq!(world.state.history[0].result, "Promoted");
}

#[test]
fn a_new_revision_goes_by_steps_and_the_old_one_is_removed() {
    let mut world = stable(vec![weight(10, 60), weight(50, 60)]);
    let began = world.now;
    world.want("b");
    world.settle();
    assert_eq!(
        world.done,
        [
            put("b"),
            prove(Some("b")),
            share(&[("a", 90), ("b", 10)]),
            share(&[("a", 50), ("b", 50)]),
            share(&[("b", 100)]),
            prove(None),
            delete("a"),
        ]
    );
    assert!(world.now.duration_since(began).as_secs() >= 120, "both steps hold");
}

#[test]
fn an_approval_waits_for_the_hash_of_the_candidate() {
    let mut world = stable(vec![Step::Approval]);
    world.want("b");
    let end = world.settle();
    assert_eq!(reason(&end.standing), reasons::WAITING_FOR_APPROVAL);
    world.seen.commands.approve = Some("stale".to_owned());
    assert_eq!(reason(&world.settle().standing), reasons::WAITING_FOR_APPROVAL);
    world.tick(100_000);
    world.seen.commands.approve = Some("b".to_owned());
    assert!(matches!(world.settle().standing, Standing::Ready { .. }));
    assert_eq!(world.state.handled.get("approve").map(String::as_str), Some("b"));
    assert_eq!(world.state.stable, Some(revision("b")));
}

#[test]
fn an_approval_is_used_once() {
    let mut world = stable(vec![Step::Approval, weight(10, 0), Step::Approval]);
    world.want("b");
    world.seen.commands.approve = Some("b".to_owned());
    assert_eq!(reason(&world.settle().standing), reasons::WAITING_FOR_APPROVAL);
    assert_eq!(world.seen.traffic, traffic(&[("a", 90), ("b", 10)]));
    world.seen.commands.approve = None;
    world.settle();
    world.seen.commands.approve = Some("b".to_owned());
    assert!(matches!(world.settle().standing, Standing::Ready { .. }));
}

#[test]
fn a_deployment_that_fails_never_takes_traffic_and_its_revision_is_rejected() {
    let mut world = stable(vec![weight(10, 60)]);
    world.want("b");
    world.fate = Fate::Fail;
    world.reach(RolloutPhase::RollingBack);
    world.fate = Fate::Proceed;
    let end = world.settle();
    assert_eq!(world.done, [put("b"), delete("b")]);
    assert_eq!(reason(&end.standing), reasons::ROLLED_BACK);
    let Standing::Stalled { message, .. } = end.standing else { panic!("not stalled") };
    assert!(message.contains("OutOfQuota") && message.contains("azureml.dev/retry: b"), "{message}");
    assert_eq!((world.state.rejected.clone(), world.state.stable.clone()), (vec!["b".to_owned()], Some(revision("a"))));
    assert_eq!(world.seen.traffic, traffic(&[("a", 100)]));
}

#[test]
fn a_first_revision_that_fails_leaves_nothing_and_is_not_tried_again() {
    let mut world = Simulation::new(Vec::new());
    world.want("a");
    world.proof = Proof::Failed("no".to_owned());
    assert_eq!(reason(&world.settle().standing), reasons::ROLLED_BACK);
    assert_eq!(world.done, [put("a"), prove(Some("a")), delete("a")]);
    assert_eq!(reason(&world.settle().standing), reasons::ROLLED_BACK);
    assert!(world.seen.deployments.is_empty() && world.seen.traffic.is_empty());
}

#[test]
fn a_revision_that_fails_with_traffic_gives_it_back() {
    let mut world = stable(vec![weight(50, 0)]);
    world.want("b");
    world.reach(RolloutPhase::Confirming);
    world.proof = Proof::Failed("wrong answer".to_owned());
    world.done.clear();
    assert_eq!(reason(&world.settle().standing), reasons::ROLLED_BACK);
    assert_eq!(world.done, [prove(None), share(&[("a", 100)]), delete("b")]);
}

#[test]
fn retry_tries_a_rejected_revision_once_more() {
    let mut world = stable(Vec::new());
    world.want("b");
    world.proof = Proof::Failed("no".to_owned());
    world.settle();
    world.seen.commands.retry = Some("b".to_owned());
    assert_eq!(reason(&world.settle().standing), reasons::ROLLED_BACK);
    assert_eq!(world.done.iter().filter(|done| **done == put("b")).count(), 2);
    world.proof = Proof::Passed;
    world.seen.commands.retry = None;
    world.settle();
    world.seen.commands.retry = Some("b".to_owned());
    assert!(matches!(world.settle().standing, Standing::Ready { .. }));
    assert_eq!(world.state.stable, Some(revision("b")));
}

#[test]
fn going_back_in_the_spec_heals_a_rolled_back_endpoint() {
    let mut world = stable(Vec::new());
    world.want("b");
    world.proof = Proof::Failed("no".to_owned());
    world.settle();
    world.want("a");
    assert!(matches!(world.settle().standing, Standing::Ready { .. }));
}

#[test]
fn a_newer_wish_in_mid_rollout_starts_again_from_the_stable_revision() {
    let mut world = stable(vec![weight(10, 600)]);
    world.want("b");
    world.reach(RolloutPhase::Stepping);
    world.done.clear();
    world.want("c");
    world.settle();
    assert_eq!(world.done[..3], [share(&[("a", 100)]), delete("b"), put("c")]);
    assert_eq!(world.state.stable, Some(revision("c")));
    assert!(world.state.rejected.is_empty());
    assert!(world.state.history.iter().any(|past| past.result == "Superseded" && past.revision == "b"));
}

#[test]
fn an_update_that_azure_reverts_without_a_word_is_a_failure() {
    let mut world = stable(vec![weight(10, 0)]);
    world.want("b");
    world.fate = Fate::Revert;
    world.reach(RolloutPhase::RolledBack);
    assert_eq!(world.done, [put("b")]);

    let mut world = stable(vec![weight(10, 0)]);
    world.want("b");
    world.reach(RolloutPhase::Switching);
    world.fate = Fate::Revert;
    world.reach(RolloutPhase::RollingBack);
    world.fate = Fate::Proceed;
    assert_eq!(reason(&world.settle().standing), reasons::ROLLED_BACK);
    assert_eq!(world.seen.traffic, traffic(&[("a", 100)]));
}

#[test]
fn waiting_ends_with_the_deadline_and_holding_does_not_count() {
    let mut world = stable(vec![weight(10, 100_000)]);
    world.want("b");
    world.settle();
    assert_eq!(world.state.stable, Some(revision("b")), "a long hold is no delay");

    world.want("c");
    world.proof = Proof::NotYet("503".to_owned());
    let end = world.settle();
    assert_eq!(reason(&end.standing), reasons::ROLLED_BACK);
    let Standing::Stalled { message, .. } = end.standing else { panic!("not stalled") };
    assert!(message.contains("progressDeadline") && message.contains("503"), "{message}");
    assert_eq!(world.state.stable, Some(revision("b")));
}

#[test]
fn a_proof_without_an_answer_is_not_asked_again_at_once() {
    let mut world = Simulation::new(Vec::new());
    world.want("a");
    world.proof = Proof::NotYet("503".to_owned());
    while world.done.last() != Some(&prove(Some("a"))) {
        world.pass();
    }
    assert!(matches!(world.pass().next, Move::Wait(_)));
}

#[test]
fn a_missing_request_is_waited_for_without_a_deadline() {
    let mut world = Simulation::new(Vec::new());
    world.want("a");
    world.seen.request =
        Request::Missing { reason: reasons::CONFIG_MAP_NOT_FOUND, message: "not there".to_owned(), stalled: false };
    assert_eq!(reason(&world.settle().standing), reasons::CONFIG_MAP_NOT_FOUND);
    world.tick(1_000_000);
    assert_eq!(reason(&world.settle().standing), reasons::CONFIG_MAP_NOT_FOUND);
    world.seen.request = Request::Ready;
    assert!(matches!(world.settle().standing, Standing::Ready { .. }));
}

#[test]
fn a_lost_deployment_is_made_again() {
    let mut world = stable(Vec::new());
    world.seen.deployments.clear();
    world.seen.traffic.clear();
    assert!(matches!(world.settle().standing, Standing::Ready { .. }));
    assert_eq!(world.done, [put("a"), prove(Some("a")), share(&[("a", 100)]), prove(None)]);
}

#[test]
fn traffic_that_was_changed_by_hand_is_put_right() {
    let mut world = stable(Vec::new());
    let other = Deployed { ours: false, ..world.seen.deployments["bank-a"].clone() };
    world.seen.deployments.insert("blue".to_owned(), other);
    world.seen.traffic = Traffic::from([("bank-a".to_owned(), 40), ("blue".to_owned(), 60)]);
    world.settle();
    assert_eq!(world.done, [share(&[("a", 100)])], "and what others deployed is left alone");
}

#[test]
fn a_live_deployment_of_the_wanted_name_is_found_again_and_nothing_is_made() {
    let mut world = stable(Vec::new());
    world.state = super::State::default();
    assert!(matches!(world.settle().standing, Standing::Ready { .. }));
    assert_eq!(world.done, [prove(None)]);
    assert_eq!(world.state.stable, Some(revision("a")));
}

#[test]
fn a_found_revision_that_fails_its_proof_keeps_serving() {
    let mut world = stable(Vec::new());
    world.state = super::State::default();
    world.proof = Proof::Failed("no".to_owned());
    for _ in 0..20 {
        world.pass();
    }
    assert!(world.done.iter().all(|done| *done == prove(None)), "{:?}", world.done);
    assert_eq!(world.seen.traffic, traffic(&[("a", 100)]));
    world.proof = Proof::Passed;
    assert!(matches!(world.settle().standing, Standing::Ready { .. }));
}

#[test]
fn the_live_deployment_of_an_adopted_endpoint_is_the_first_stable_revision() {
    let mut world = Simulation::new(vec![weight(10, 0)]);
    let live = Deployed {
        state: Provisioning::Succeeded,
        model_id: "/models/m/versions/7".into(),
        capacity: 1,
        ours: false,
        current: true,
    };
    world.seen.deployments.insert("blue".to_owned(), live);
    world.seen.traffic = Traffic::from([("blue".to_owned(), 100)]);
    world.want("a");
    world.pass();
    assert_eq!(world.state.stable.as_ref().map(|stable| stable.model_version.as_str()), Some("7"));
    world.settle();
    let step = Move::SetTraffic(Traffic::from([("bank-a".to_owned(), 10), ("blue".to_owned(), 90)]));
    assert_eq!(
        world.done,
        [
            put("a"),
            prove(Some("a")),
            step,
            share(&[("a", 100)]),
            prove(None),
            Move::DeleteDeployment { deployment: "blue".into() }
        ]
    );
}

#[test]
fn the_number_of_machines_changes_in_place() {
    let mut world = stable(Vec::new());
    world.seen.desired = Some(Desired { revision: revision("a"), capacity: 3 });
    world.settle();
    assert_eq!(world.done, [Move::Scale { deployment: "bank-a".into(), capacity: 3 }]);
    world.fate = Fate::Revert;
    world.seen.desired = Some(Desired { revision: revision("a"), capacity: 4 });
    assert_eq!(reason(&world.settle().standing), reasons::OPERATION_FAILED);
}

#[test]
fn while_baking_the_previous_revision_stays_and_a_newer_wish_ends_it() {
    let mut world = Simulation::new(Vec::new());
    world.seen.strategy.bake = Duration::from_secs(3600);
    world.want("a");
    world.settle();
    world.want("b");
    world.reach(RolloutPhase::Baking);
    assert_eq!(world.state.previous, Some(revision("a")));
    world.done.clear();
    world.want("c");
    world.settle();
    assert_eq!(world.done[..2], [delete("a"), put("c")]);
    assert_eq!(world.state.stable, Some(revision("c")));
    assert_eq!(world.seen.deployments.len(), 1);
}

#[test]
fn on_failure_pause_waits_for_a_person_and_obeys() {
    for command in ["retry", "abort"] {
        let mut world = stable(Vec::new());
        world.seen.strategy.on_failure = OnFailure::Pause;
        world.want("b");
        world.proof = Proof::Failed("no".to_owned());
        let end = world.settle();
        assert_eq!(reason(&end.standing), reasons::SMOKE_TEST_FAILED);
        assert!(world.seen.deployments.contains_key("bank-b"), "a person may want to look at it");
        world.proof = Proof::Passed;
        if command == "retry" {
            world.seen.commands.retry = Some("b".to_owned());
            assert!(matches!(world.settle().standing, Standing::Ready { .. }));
        } else {
            world.seen.commands.abort = Some("b".to_owned());
            assert_eq!(reason(&world.settle().standing), reasons::ROLLED_BACK);
            assert!(!world.seen.deployments.contains_key("bank-b"));
        }
    }
}

#[test]
fn promote_skips_the_steps_that_are_left() {
    let mut world = stable(vec![weight(10, 100), Step::Approval]);
    world.want("b");
    world.reach(RolloutPhase::Stepping);
    world.seen.commands.promote = Some("b".to_owned());
    assert!(matches!(world.settle().standing, Standing::Ready { .. }));
}

#[test]
fn what_is_not_done_is_said_and_what_serves_stays() {
    let mut world = stable(Vec::new());
    world.seen.strategy.unsupported = Some("spec.rollout.benchmark asks for a benchmark.".to_owned());
    assert!(matches!(world.settle().standing, Standing::Ready { .. }), "nothing has to move");
    world.want("b");
    assert_eq!(reason(&world.settle().standing), reasons::UNSUPPORTED);
    assert!(world.done.is_empty());
}

#[test]
fn leftovers_of_ours_are_removed() {
    let mut world = stable(Vec::new());
    let other = world.seen.deployments["bank-a"].clone();
    world.seen.deployments.insert("bank-old".to_owned(), other);
    world.settle();
    assert_eq!(world.done, [delete("old")]);
}
