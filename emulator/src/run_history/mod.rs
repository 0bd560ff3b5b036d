//! Runs: held, and shown as run history and MLflow show them.

pub(crate) mod mlflow;
pub(crate) mod run;
pub(crate) mod store;
pub(crate) mod view;
