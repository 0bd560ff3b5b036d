//! What follows from whose an object in Azure is: the same words and the same decision for every kind that is marked by
//! a write of its own.

use azureml_crds::reasons;

use super::Plan;
use crate::ownership::{Origin, Owner, Ownership, foreign};

/// An object in Azure, as ownership speaks of it.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Who we are.
    pub owner: &'a Owner,
    /// What it is: `Cluster "cpu"`.
    pub what: &'a str,
    /// It may be taken over from others.
    pub adopts: bool,
    /// What a person can do when it is somebody else's.
    pub help: &'a str,
}

impl Claim<'_> {
    /// Nothing where it is ours; else the mark that makes it so (`tag`), or why it is left alone.
    pub fn plan<A>(&self, ownership: Ownership, tag: impl FnOnce(Origin, &'static str) -> A) -> Option<Plan<A>> {
        let Self { owner, what, adopts, help } = *self;
        let act = |origin, reason, message| Plan::act(tag(origin, reason), reasons::PROGRESSING, message);
        match ownership {
            Ownership::Ours(_) => None,
            Ownership::Reattach(origin) => Some(act(origin, reasons::REATTACHED, format!("{what} was found again."))),
            Ownership::Taken { uid } => Some(Plan::halted(&owner.taken(what, &uid))),
            Ownership::Foreign { .. } if adopts => {
                Some(act(Origin::Adopted, reasons::ADOPTED, format!("{what} is taken over.")))
            }
            Ownership::Foreign { owner } => Some(Plan::halted(&foreign(what, owner.as_deref(), help))),
        }
    }
}
