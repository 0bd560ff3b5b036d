//! A folder a kind, with the same names in each: `observe` reads, `plan` thinks (pure), `apply` acts, `status` tells,
//! `cleanup` deletes. What several kinds say to Azure in the same words is beside them.

pub mod compute;
pub mod dataset;
pub mod deletion;
pub mod endpoint;
pub mod identity;
pub mod model;
pub mod operation;
pub mod pipeline;
pub mod pipeline_run;
pub mod workspace;
