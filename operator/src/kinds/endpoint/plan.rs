//! Decides: whose the endpoint is, whether it is what the spec says, what its rollout needs, what its users need. Pure.

use azureml_crds::policies::AdoptionPolicy;
use azureml_crds::{AmlEndpoint, AmlResource, annotations, conditions, reasons};
use jiff::Timestamp;

use super::observe::Facts;
use super::{desired, outputs};
use crate::error::Remedy;
use crate::ownership::{Origin, Ownership, foreign};
use crate::rollout::traffic::{self, Traffic};
use crate::rollout::{Commands, Deployed, Desired, Move, Outcome, Provisioning, Request, Seen, State, decide};
use crate::shell::{After, Extra, Next, Plan, Standing};

/// Kinds of operation beside the rollout's own.
pub mod operations {
    /// The endpoint is made.
    pub const CREATE_ENDPOINT: &str = "CreateEndpoint";
    /// The endpoint is changed.
    pub const UPDATE_ENDPOINT: &str = "UpdateEndpoint";
    /// A deployment gets another number of machines.
    pub const SCALE: &str = "ScaleDeployment";
    /// A deployment is removed.
    pub const DELETE_DEPLOYMENT: &str = "DeleteDeployment";
}

/// What can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make the endpoint.
    CreateEndpoint,
    /// Put our tags on it.
    Claim {
        /// Made or taken over.
        origin: Origin,
    },
    /// Put it to the spec.
    UpdateEndpoint {
        /// The fields that differ.
        fields: Vec<&'static str>,
    },
    /// Make or put again the deployment of the wanted revision.
    PutDeployment {
        /// Its name.
        deployment: String,
    },
    /// Change the number of machines.
    Scale {
        /// The deployment.
        deployment: String,
        /// The number.
        capacity: i32,
    },
    /// Share the traffic out.
    SetTraffic(Traffic),
    /// Send the smoke request.
    Prove {
        /// Past the traffic rules, to this deployment.
        deployment: Option<String>,
    },
    /// Remove a deployment.
    DeleteDeployment {
        /// Its name.
        deployment: String,
    },
    /// Write Secret and ConfigMap.
    WriteOutputs {
        /// The revision that serves.
        stable: String,
    },
    /// Say that keys are not rotated.
    RefuseRotation {
        /// The annotation's value.
        token: String,
    },
}

/// A plan with the record that belongs to it.
pub struct Thought {
    /// What is to be recorded.
    pub state: State,
    /// What is next.
    pub plan: Plan<Action>,
}

/// Decides.
#[must_use]
pub fn think(object: &AmlEndpoint, facts: &Facts, now: Timestamp) -> Thought {
    let mut thought = match &facts.endpoint {
        None => absent(object, facts),
        Some(_) => present(object, facts, now),
    };
    if matches!(thought.plan.next, Next::Act(_)) && thought.state != facts.state {
        thought.plan.next = Next::Record;
    }
    thought.plan.extras = extras(facts, &thought.state);
    thought
}

/// There is no endpoint.
fn absent(object: &AmlEndpoint, facts: &Facts) -> Thought {
    let mut state = facts.state.clone();
    if let Some(operation) = &facts.state.operation {
        let failure = match &facts.outcome {
            Some(Outcome::Ended) => None,
            Some(Outcome::Failed { message }) => Some(message.clone()),
            Some(Outcome::Running { after }) => return waits(state, after.map_or(After::Poll, After::Asked)),
            None => return waits(state, After::Poll),
        };
        let message =
            failure.map(|failure| format!("{} of {:?} failed in Azure: {failure}", operation.kind, operation.target));
        state.operation = None;
        if let Some(message) = message {
            return Thought { state, plan: Plan::stalled(reasons::OPERATION_FAILED, message) };
        }
    }
    // What was recorded of deployments went with the endpoint.
    if state.stable.is_some() || state.candidate.is_some() || state.previous.is_some() {
        state = State { rejected: state.rejected, history: state.history, handled: state.handled, ..State::default() };
    }
    let plan = match &facts.wanted {
        Err(halt) => Plan::halted(halt),
        Ok(_) => match desired::strategy(&object.spec).unsupported {
            Some(what) => {
                let message = format!("{what} This release of the operator does not do that: remove it from the spec.");
                Plan::stalled(reasons::UNSUPPORTED, message)
            }
            None => {
                let message = format!("Endpoint {:?} is being made in Azure.", facts.name);
                Plan::act(Action::CreateEndpoint, reasons::PROGRESSING, message)
            }
        },
    };
    Thought { state, plan }
}

fn waits(state: State, after: After) -> Thought {
    let message = "The endpoint is being made or changed in Azure.";
    Thought { state, plan: Plan::wait(after, reasons::PROGRESSING, message) }
}

/// There is one.
fn present(object: &AmlEndpoint, facts: &Facts, now: Timestamp) -> Thought {
    if let Some(plan) = ownership(object, facts) {
        let mut state = facts.state.clone();
        if matches!(facts.outcome, Some(Outcome::Ended | Outcome::Failed { .. })) {
            state.operation = None;
        }
        return Thought { state, plan };
    }
    if facts.state.operation.is_none()
        && let Some(plan) = envelope(object, facts)
    {
        return Thought { state: facts.state.clone(), plan };
    }
    if let Some(thought) = reverted(object, facts) {
        return thought;
    }
    let seen = seen(object, facts);
    let decision = decide(&seen, &facts.state, now);
    let plan = Plan { next: next(decision.next), standing: decision.standing, extras: Vec::new() };
    let plan = for_users(object, facts, &decision.state, plan);
    Thought { state: decision.state, plan }
}

/// Whose it is.
fn ownership(object: &AmlEndpoint, facts: &Facts) -> Option<Plan<Action>> {
    let endpoint = facts.endpoint.as_ref()?;
    let what = format!("Endpoint {:?}", facts.name);
    match facts.owner.judge(&endpoint.tags, object.is_held()) {
        Ownership::Ours(_) => None,
        Ownership::Reattach(origin) => {
            Some(claim(facts, origin, format!("{what} was found again and is marked as this object's.")))
        }
        Ownership::Taken { uid } => Some(Plan::halted(&facts.owner.taken(&what, &uid))),
        Ownership::Foreign { .. } if object.adoption_policy() == AdoptionPolicy::Adopt => {
            Some(claim(facts, Origin::Adopted, format!("{what} is taken over.")))
        }
        Ownership::Foreign { owner } => {
            let help = "Take it over (adoptionPolicy: Adopt), or make a new AmlEndpoint with another azureName.";
            Some(Plan::halted(&foreign(&what, owner.as_deref(), help)))
        }
    }
}

fn claim(facts: &Facts, origin: Origin, message: String) -> Plan<Action> {
    if let Some(outcome @ (Outcome::Running { .. } | Outcome::Failed { .. })) = &facts.outcome {
        return match outcome {
            Outcome::Failed { message } => Plan::stalled(reasons::OPERATION_FAILED, message.clone()),
            _ => Plan::wait(After::Poll, reasons::PROGRESSING, message),
        };
    }
    if moving(facts) {
        return Plan::wait(After::Poll, reasons::AZURE_BUSY, "The endpoint is being changed in Azure.");
    }
    Plan::act(Action::Claim { origin }, reasons::PROGRESSING, message)
}

fn provisioning(facts: &Facts) -> Provisioning {
    let word = facts.endpoint.as_ref().and_then(|endpoint| endpoint.properties.provisioning_state.as_deref());
    Provisioning::parse(word)
}

fn moving(facts: &Facts) -> bool {
    provisioning(facts) == Provisioning::Moving
}

/// Whether the endpoint itself is what the spec says.
fn envelope(object: &AmlEndpoint, facts: &Facts) -> Option<Plan<Action>> {
    let endpoint = facts.endpoint.as_ref()?;
    if moving(facts) {
        return None;
    }
    let (_, mut fields) = desired::corrected(&object.spec, endpoint);
    if provisioning(facts) == Provisioning::Failed {
        fields.push("provisioningState");
    }
    if fields.is_empty() {
        return None;
    }
    let message = format!("Endpoint {:?} differs in {} and is put right.", facts.name, fields.join(", "));
    Some(Plan::act(Action::UpdateEndpoint { fields }, reasons::PROGRESSING, message))
}

/// An update of the endpoint that Azure called done and that changed nothing: tried again, but slowly.
fn reverted(object: &AmlEndpoint, facts: &Facts) -> Option<Thought> {
    let operation = facts.state.operation.as_ref()?;
    if operation.kind != operations::UPDATE_ENDPOINT || facts.outcome != Some(Outcome::Ended) || moving(facts) {
        return None;
    }
    let (_, fields) = desired::corrected(&object.spec, facts.endpoint.as_ref()?);
    if fields.is_empty() {
        return None;
    }
    let message = format!(
        "Azure said that endpoint {:?} was changed, and {} is as before. Azure may not allow this change: put the spec back, or make a new endpoint.",
        facts.name,
        fields.join(", ")
    );
    let state = State { operation: None, ..facts.state.clone() };
    Some(Thought { state, plan: Plan::stalled(reasons::OPERATION_FAILED, message) })
}

fn seen(object: &AmlEndpoint, facts: &Facts) -> Seen {
    let spec = &object.spec;
    let wanted = facts.wanted.as_ref().ok();
    let deployments = facts.deployments.iter().map(|live| {
        let named = wanted.filter(|wanted| wanted.deployment.eq_ignore_ascii_case(&live.name));
        let deployed = Deployed {
            state: Provisioning::parse(live.properties.provisioning_state.as_deref()),
            model_id: live.properties.model.clone().unwrap_or_default(),
            capacity: live.sku.capacity,
            ours: live.tags.get(azureml_crds::tags::OWNER).is_some_and(|owner| *owner == facts.owner.id.to_string()),
            current: named.is_none_or(|wanted| desired::is_current(spec, &wanted.model_id, live)),
        };
        (live.name.clone(), deployed)
    });
    let endpoint = facts.endpoint.as_ref();
    let command = |name: &str| object.annotation(name).map(str::to_owned);
    Seen {
        desired: wanted
            .map(|revision| Desired { revision: revision.clone(), capacity: desired::capacity(&spec.deployment) }),
        strategy: desired::strategy(spec),
        traffic: endpoint.map(|endpoint| traffic::counted(&endpoint.properties.traffic)).unwrap_or_default(),
        busy: facts.state.operation.is_none() && moving(facts),
        deployments: deployments.collect(),
        outcome: facts.outcome.clone(),
        proof: facts.proof.clone(),
        request: match &facts.request {
            Ok(()) => Request::Ready,
            Err(halt) => Request::Missing {
                reason: halt.reason,
                message: halt.message.clone(),
                stalled: halt.remedy == Remedy::Person,
            },
        },
        log: facts.log.clone(),
        retry: facts.retry,
        commands: Commands {
            approve: command(annotations::APPROVE),
            promote: command(annotations::PROMOTE),
            abort: command(annotations::ABORT),
            retry: command(annotations::RETRY),
        },
    }
}

fn next(decided: Move) -> Next<Action> {
    match decided {
        Move::PutDeployment { deployment } => Next::Act(Action::PutDeployment { deployment }),
        Move::Scale { deployment, capacity } => Next::Act(Action::Scale { deployment, capacity }),
        Move::SetTraffic(traffic) => Next::Act(Action::SetTraffic(traffic)),
        Move::Prove { deployment } => Next::Act(Action::Prove { deployment }),
        Move::DeleteDeployment { deployment } => Next::Act(Action::DeleteDeployment { deployment }),
        Move::Wait(after) => Next::Wait(after),
        Move::Rest => Next::Rest,
    }
}

/// When the rollout has nothing to do: outputs, commands, and what stands in the way of a newer revision.
fn for_users(object: &AmlEndpoint, facts: &Facts, state: &State, mut plan: Plan<Action>) -> Plan<Action> {
    if matches!(plan.next, Next::Act(_)) {
        return plan;
    }
    let settled = matches!(plan.standing, Standing::Ready { .. });
    if state.operation.is_none()
        && let Some(token) = object.annotation(annotations::ROTATE_KEYS)
        && state.handled.get("rotate-keys").map(String::as_str) != Some(token)
    {
        plan.next = Next::Act(Action::RefuseRotation { token: token.to_owned() });
        return plan;
    }
    if let (Some(stable), Some(endpoint)) = (&state.stable, &facts.endpoint)
        && state.operation.is_none()
        && !moving(facts)
        && outputs::wanted(&facts.outputs)
    {
        if let Some(halt) = outputs::foreign(object, &facts.outputs) {
            if settled {
                plan.standing = Standing::from(&halt);
            }
        } else {
            let hash = outputs::hash(endpoint, &stable.deployment, &facts.outputs);
            let written = facts.outputs.written.as_ref().or_else(|| object.status.as_ref()?.outputs_hash.as_ref());
            if written != Some(&hash) || outputs::has_old_keys(&facts.outputs) {
                plan.next = Next::Act(Action::WriteOutputs { stable: stable.deployment.clone() });
                if settled {
                    plan.standing = Standing::progressing(
                        reasons::PROGRESSING,
                        "The outputs are written for the endpoint's users.",
                    );
                }
                return plan;
            }
        }
    }
    if let Err(halt) = &facts.wanted
        && !matches!(plan.standing, Standing::Stalled { .. })
    {
        plan.standing = match (settled, halt.remedy) {
            (true, Remedy::Await) => {
                // What serves goes on serving.
                Standing::Holding { reason: halt.reason, message: halt.message.clone() }
            }
            _ => Standing::from(halt),
        };
    }
    plan
}

/// Available and RolledOut.
fn extras(facts: &Facts, state: &State) -> Vec<Extra> {
    let shares =
        facts.endpoint.as_ref().map(|endpoint| traffic::counted(&endpoint.properties.traffic)).unwrap_or_default();
    let healthy = |name: &String| {
        facts.deployments.iter().any(|live| {
            live.name.eq_ignore_ascii_case(name)
                && Provisioning::parse(live.properties.provisioning_state.as_deref()) != Provisioning::Failed
        })
    };
    let available = if facts.endpoint.is_none() {
        Extra::new(conditions::AVAILABLE, false, reasons::NO_TRAFFIC, "The endpoint is not there yet.")
    } else if shares.is_empty() {
        Extra::new(conditions::AVAILABLE, false, reasons::NO_TRAFFIC, "No deployment takes traffic.")
    } else if shares.keys().all(healthy) {
        let message = format!("Traffic: {}.", traffic::summary(&shares));
        Extra::new(conditions::AVAILABLE, true, reasons::SUCCEEDED, message)
    } else {
        let message = format!("A deployment that takes traffic failed. Traffic: {}.", traffic::summary(&shares));
        Extra::new(conditions::AVAILABLE, false, reasons::DEPLOYMENT_FAILED, message)
    };
    let hash = facts.wanted.as_ref().ok().map(|wanted| &wanted.spec_hash);
    let stable = state.stable.as_ref();
    let all = stable.is_some_and(|stable| shares.get(&stable.deployment) == Some(&100));
    let rolled_out =
        if hash.is_some() && stable.map(|stable| &stable.spec_hash) == hash && state.candidate.is_none() && all {
            Extra::new(conditions::ROLLED_OUT, true, reasons::SUCCEEDED, "The wanted revision has all traffic.")
        } else if hash.is_some_and(|hash| state.rejected.contains(hash)) {
            Extra::new(conditions::ROLLED_OUT, false, reasons::ROLLED_BACK, "The wanted revision was given up.")
        } else {
            Extra::new(
                conditions::ROLLED_OUT,
                false,
                reasons::ROLLING_OUT,
                "The wanted revision does not have all traffic.",
            )
        };
    vec![available, rolled_out]
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
