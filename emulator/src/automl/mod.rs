//! AutoML experiments: how they are asked for, run, and told about.

pub(crate) mod experiment;
pub(crate) mod mlflow_model;
pub(crate) mod request;
