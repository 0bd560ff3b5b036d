//! A folder a kind, with the same names in each: `observe` reads, `plan` thinks (pure), `apply` acts, `status` tells,
//! `cleanup` deletes.

pub mod compute;
pub mod dataset;
pub mod endpoint;
pub mod model;
pub mod operation;
pub mod pipeline;
pub mod pipeline_run;
pub mod workspace;
