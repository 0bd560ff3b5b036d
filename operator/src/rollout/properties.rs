//! What holds whatever happens.

use azureml_crds::endpoint::Revision;
use proptest::prelude::*;

use super::simulation::{Fate, Simulation, weight};
use super::{Move, Proof, Step};
use crate::shell::Standing;

/// Something that happens to an endpoint.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Want(u8),
    Fate(Fate),
    Proof(u8),
    LoseDeployment(usize),
    ChangeTraffic(usize),
    Command(u8, u8),
    Forget,
    Passes(u8),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        2 => (0..3_u8).prop_map(Happens::Want),
        2 => prop_oneof![Just(Fate::Proceed), Just(Fate::Fail), Just(Fate::Revert)].prop_map(Happens::Fate),
        1 => (0..3_u8).prop_map(Happens::Proof),
        1 => any::<usize>().prop_map(Happens::LoseDeployment),
        1 => any::<usize>().prop_map(Happens::ChangeTraffic),
        1 => (0..4_u8, 0..3_u8).prop_map(|(which, hash)| Happens::Command(which, hash)),
        1 => Just(Happens::Forget),
        6 => (1..12_u8).prop_map(Happens::Passes),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![
        Just(Vec::new()),
        Just(vec![weight(10, 30), weight(50, 30)]),
        Just(vec![Step::Approval]),
        Just(vec![weight(10, 0), Step::Approval, weight(90, 5)]),
        Just(vec![weight(100, 10)]),
    ]
}

fn hash(number: u8) -> String {
    ["a", "b", "c"].get(usize::from(number)).copied().unwrap_or("a").to_owned()
}

/// One pass, and what must hold of it.
fn pass(world: &mut Simulation) {
    let before = (world.state.clone(), world.seen.deployments.clone(), world.seen.traffic.clone());
    let (state, deployments, traffic) = before;
    let done = world.done.len();
    let decision = world.pass();
    if world.done.len() == done {
        return;
    }
    match decision.next {
        Move::SetTraffic(shares) => {
            let sum: i32 = shares.values().sum();
            assert!(sum == 0 || sum == 100, "{shares:?}");
            assert!(shares.values().all(|share| (1..=100).contains(share)), "{shares:?}");
            for name in shares.keys() {
                assert!(deployments.contains_key(name), "{name} is not there");
                let rejected = state.rejected.iter().any(|hash| format!("bank-{hash}") == *name);
                assert!(!rejected, "{name} was rejected");
            }
        }
        Move::DeleteDeployment { deployment } => {
            assert!(state.stable.is_none_or(|stable| stable.deployment != deployment), "the stable one is deleted");
            assert!(traffic.get(&deployment).is_none_or(|share| *share == 0), "{deployment} takes traffic");
        }
        _ => {}
    }
}

fn happen(world: &mut Simulation, what: Happens) {
    match what {
        Happens::Want(number) => world.want(&hash(number)),
        Happens::Fate(fate) => world.fate = fate,
        Happens::Proof(number) => {
            world.proof = match number {
                0 => Proof::Passed,
                1 => Proof::Failed("wrong".to_owned()),
                _ => Proof::NotYet("503".to_owned()),
            };
        }
        Happens::LoseDeployment(index) => {
            let names: Vec<String> = world.seen.deployments.keys().cloned().collect();
            if let Some(name) = names.get(index % names.len().max(1)) {
                world.seen.deployments.remove(name);
                world.seen.traffic.remove(name);
            }
        }
        Happens::ChangeTraffic(index) => {
            let names: Vec<String> = world.seen.deployments.keys().cloned().collect();
            if let Some(name) = names.get(index % names.len().max(1)) {
                world.seen.traffic = [(name.clone(), 100)].into();
            }
        }
        Happens::Command(which, number) => {
            let commands = &mut world.seen.commands;
            let slot = match which {
                0 => &mut commands.approve,
                1 => &mut commands.promote,
                2 => &mut commands.abort,
                _ => &mut commands.retry,
            };
            *slot = Some(hash(number));
        }
        Happens::Forget => {
            // A cluster built again from Git: the status is gone, Azure is as it was.
            world.state = super::State::default();
        }
        Happens::Passes(number) => (0..number).for_each(|_| pass(world)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn traffic_is_whole_the_stable_revision_is_safe_and_it_always_ends(
        steps in steps(),
        bake in 0..2_u64,
        story in proptest::collection::vec(happens(), 1..40),
    ) {
        let mut world = Simulation::new(steps);
        world.seen.strategy.bake = std::time::Duration::from_secs(bake * 60);
        world.want("a");
        for what in story {
            happen(&mut world, what);
        }
        // Then all is well, and a person approves.
        world.fate = Fate::Proceed;
        world.proof = Proof::Passed;
        world.seen.commands = super::Commands::default();
        let mut ended = false;
        for round in 0..600 {
            world.seen.commands.approve = world.state.candidate.as_ref().filter(|_| round % 2 == 0).map(|one| one.spec_hash.clone());
            pass(&mut world);
            let (state, now) = (world.state.clone(), world.now);
            let decision = super::decide(&world.seen, &state, now);
            let waits_for_approval = state.candidate.is_some();
            if decision.next == Move::Rest && decision.state == state && state.operation.is_none() && !waits_for_approval {
                ended = true;
                let wanted = world.seen.desired.clone().map(|desired| desired.revision);
                match decision.standing {
                    Standing::Ready { .. } => {
                        let hash = |revision: &Option<Revision>| revision.as_ref().map(|one| one.spec_hash.clone());
                        prop_assert_eq!(hash(&state.stable), hash(&wanted));
                        let name = wanted.map(|wanted| wanted.deployment).unwrap_or_default();
                        prop_assert_eq!(world.seen.traffic.get(&name), Some(&100));
                        prop_assert_eq!(world.seen.deployments.len(), 1);
                    }
                    Standing::Stalled { .. } => {
                        let hash = wanted.map(|wanted| wanted.spec_hash).unwrap_or_default();
                        prop_assert!(state.rejected.contains(&hash), "{:?}", decision.standing);
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
                break;
            }
        }
        prop_assert!(ended, "{:?}", world.state);
    }
}
