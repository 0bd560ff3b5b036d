//! The one reconcile driver that all kinds share.
//!
//! It does what must not be written seven times: pause, finalizer, deletion, conditions, observedGeneration, events on
//! transitions, time-outs, errors, requeues, and the status patch only when something differs. A kind supplies reading
//! ([`Kind::observe`]), thinking ([`Kind::plan`], pure), one action ([`Kind::apply`]) and what is to be said
//! ([`Kind::status`]). One action a pass.

pub mod children;
mod claim;
mod deletion;
pub mod driver;
mod failure;
pub mod filled;
pub mod fresh;
pub mod holds;
mod merge;
mod pace;
mod record;
pub mod references;
pub mod run;
pub mod standing;
pub mod tries;
mod undecodable;
pub mod urgency;
pub mod wake;

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use azureml_crds::AmlResource;
use jiff::Timestamp;

use crate::context::Context;
use crate::error::{Error, Halt, Remedy};
use crate::events::Note;
pub use claim::Claim;
use references::References;
pub use standing::{Extra, Standing};

/// A kind of custom resource.
pub trait Kind: Send + Sync + 'static {
    /// The custom resource.
    type Resource: References;
    /// What was read: references resolved, Azure's state.
    type Observed: Send + Sync;
    /// What can be done.
    type Action: Debug + Send;

    /// Reads. Changes nothing.
    fn observe(
        context: &Context,
        object: &Self::Resource,
    ) -> impl Future<Output = Result<Self::Observed, Error>> + Send;

    /// Reads what an object at rest needs out of lists that many share. What follows from it is done only after a look
    /// at the object itself. `None` for a kind that has nothing to share.
    fn glance(
        context: &Context,
        object: &Self::Resource,
    ) -> impl Future<Output = Result<Option<Self::Observed>, Error>> + Send {
        let _ = (context, object);
        async { Ok(None) }
    }

    /// Decides: no I/O, no clock of its own.
    fn plan(object: &Self::Resource, observed: &Self::Observed, now: Timestamp) -> Plan<Self::Action>;

    /// Does that one thing, idempotently, and folds the answer into what was observed.
    fn apply(
        context: &Context,
        object: &Self::Resource,
        observed: &mut Self::Observed,
        action: Self::Action,
    ) -> impl Future<Output = Result<Vec<Note>, Error>> + Send;

    /// What status says of what was observed; conditions are the driver's.
    fn status(
        object: &Self::Resource,
        observed: &Self::Observed,
        now: Timestamp,
    ) -> <Self::Resource as AmlResource>::Status;

    /// One step of deletion. Independent of the spec being valid.
    fn cleanup(context: &Context, object: &Self::Resource) -> impl Future<Output = Result<Cleanup, Error>> + Send;

    /// What is to be let go of in the cluster right before the finalizer goes, whatever became of the object in Azure.
    fn release(context: &Context, object: &Self::Resource) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = (context, object);
        async { Ok(()) }
    }
}

/// What is to be done next, and how the object stands meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<A> {
    /// What is next.
    pub next: Next<A>,
    /// How the object stands.
    pub standing: Standing,
    /// Conditions beside the usual three.
    pub extras: Vec<Extra>,
}

/// What is next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<A> {
    /// Do this now.
    Act(A),
    /// Write what was observed and look again at once.
    Record,
    /// Look again after a while.
    Wait(After),
    /// Nothing: the next resync, or a change, wakes it.
    Rest,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The operator's poll interval, for work in flight.
    Poll,
    /// What Azure asked for, but not less than a quarter of the poll interval.
    Asked(Duration),
    /// Until this time.
    Until(Timestamp),
}

impl<A> Plan<A> {
    /// Do this, and say so.
    pub fn act(action: A, reason: &'static str, message: impl Into<String>) -> Self {
        Self { next: Next::Act(action), standing: Standing::progressing(reason, message), extras: Vec::new() }
    }

    /// Look again later.
    pub fn wait(after: After, reason: &'static str, message: impl Into<String>) -> Self {
        Self { next: Next::Wait(after), standing: Standing::progressing(reason, message), extras: Vec::new() }
    }

    /// Only a person can help.
    pub fn stalled(reason: &'static str, message: impl Into<String>) -> Self {
        Self { next: Next::Rest, standing: Standing::stalled(reason, message), extras: Vec::new() }
    }

    /// It can't go on, and why.
    pub fn halted(halt: &Halt) -> Self {
        let next = match halt.remedy {
            Remedy::Retry(_) | Remedy::Turn(_) => Next::Wait(After::Poll),
            Remedy::Await | Remedy::Person => Next::Rest,
        };
        Self { next, standing: Standing::from(halt), extras: Vec::new() }
    }

    /// Everything is as wanted.
    pub fn ready(message: impl Into<String>) -> Self {
        Self { next: Next::Rest, standing: Standing::ready(message), extras: Vec::new() }
    }

    /// With another standing.
    #[must_use]
    pub fn standing(mut self, standing: Standing) -> Self {
        self.standing = standing;
        self
    }

    /// With a condition beside the usual three.
    #[must_use]
    pub fn with(mut self, extra: Extra) -> Self {
        self.extras.push(extra);
        self
    }
}

/// How a deletion stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// Nothing of it is left that policy does not keep; with what is to be told.
    Done(Option<Note>),
    /// A step was taken or is awaited.
    Waiting {
        /// What is awaited.
        message: String,
        /// When to look again.
        after: After,
    },
    /// It can't go on until something changes.
    Blocked {
        /// A constant of [`azureml_crds::reasons`].
        reason: &'static str,
        /// What, where, and what to do.
        message: String,
    },
}
