//! The end-to-end tests: one binary, so that all of them share one world.
//!
//! `cargo test --workspace --test e2e -- NAME` runs those whose name contains NAME.

mod admission;
mod bad_input;
mod compute;
mod datasets;
mod fault_matrix;
mod identity;
mod idle;
mod kills;
mod leader;
mod models;
mod namespace;
mod order;
mod outputs;
mod ownership;
mod published;
mod rebuild;
mod rest;
mod rollout;
mod schedules;
mod secrets;
mod shapes;
mod small;
mod steps;
mod storm;
mod suite;
mod ways_in;
mod workspace;

use std::process::ExitCode;

use suite::Suite;

fn main() -> std::io::Result<ExitCode> {
    let mut suite = Suite::new()?;
    // They begin in this order: the longest first, so that it is not what the others wait for at the end.
    kills::tests(&mut suite);
    admission::tests(&mut suite);
    bad_input::tests(&mut suite);
    compute::tests(&mut suite);
    datasets::tests(&mut suite);
    identity::tests(&mut suite);
    idle::tests(&mut suite);
    leader::tests(&mut suite);
    models::tests(&mut suite);
    namespace::tests(&mut suite);
    order::tests(&mut suite);
    outputs::tests(&mut suite);
    ownership::tests(&mut suite);
    published::tests(&mut suite);
    rebuild::tests(&mut suite);
    rest::tests(&mut suite);
    rollout::tests(&mut suite);
    schedules::tests(&mut suite);
    secrets::tests(&mut suite);
    shapes::tests(&mut suite);
    steps::tests(&mut suite);
    storm::tests(&mut suite);
    ways_in::tests(&mut suite);
    workspace::tests(&mut suite);
    // Its rows take turns: those that wait for theirs keep nobody waiting here.
    fault_matrix::tests(&mut suite);
    Ok(suite.run())
}
