//! The operator: a watch wakes a reconcile, which reads what is wanted (Kubernetes) and what is (Azure ML), decides in
//! a pure function, does one named action, and writes what it then saw into status.
//!
//! | module | what it holds |
//! |---|---|
//! | [`shell`] | the one reconcile driver that all kinds share |
//! | [`kinds`] | a folder a kind: observe, plan, apply, status, cleanup |
//! | [`rollout`] | the pure state machine of an endpoint's progress |
//! | [`credentials`] | from an AmlWorkspace to an authenticated client |
//! | [`ownership`] | who owns an object in Azure, by its tags |
//! | [`inventory`] | lists of Azure's that objects at rest share |
//! | [`fetch`] | downloads for web datasets, within bounds |
//! | [`run`], [`leader`] | wiring, and who of several replicas acts |
//! | [`settings`], [`metrics`], [`health`], [`events`], [`logging`] | what they say |

pub mod context;
pub mod credentials;
pub mod error;
pub mod events;
pub mod fetch;
pub mod health;
pub mod inventory;
pub mod kinds;
pub mod leader;
pub mod logging;
pub mod metrics;
pub mod ownership;
pub mod rollout;
pub mod run;
pub mod settings;
pub mod shell;
pub mod stores;
