//! A client of Azure Machine Learning.
//!
//! [`Client`] is one identity in one cloud; [`Client::workspace`] is one workspace as that identity sees it, with a
//! method an operation. Nothing here retries or waits: errors say what class they are of ([`error::Class`]), and
//! long-running operations are returned as values ([`lro::Operation`]) to be polled later, by this process or another.

mod answer;
pub mod arm;
pub mod auth;
pub mod automl;
pub mod budget;
pub mod certificate;
pub mod cloud;
pub mod duration;
pub mod error;
pub mod lro;
pub mod resources;
mod secrets;
mod token;
pub mod transport;
pub mod workspace;

pub use arm::{ArmId, WorkspaceId};
pub use budget::Priority;
pub use cloud::Cloud;
pub use error::Error;
pub use lro::{Operation, OperationState, Started};
pub use token::Credential;
pub use workspace::{Client, Workspace};
