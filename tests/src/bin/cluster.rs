//! The test cluster without tests: `build` makes its binary where it is not made; `run` keeps one up until Ctrl-C.

use std::process::ExitCode;

use azureml_operator_tests::cluster::{self, Cluster};
use azureml_operator_tests::failure::{Failure, Result};
use azureml_operator_tests::places;
use azureml_operator_tests::process::asked_to_end;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some("build") => cluster::build(),
        Some("run") => run().await,
        _ => Err(Failure::new("usage: cluster build | cluster run")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result {
    let cluster = Cluster::start().await?;
    println!("export KUBECONFIG={}", cluster.kubectl().kubeconfig().display());
    println!("alias kubectl={}", cluster.kubectl().program().display());
    println!("Ctrl-C ends it.");
    asked_to_end().await?;
    cluster.stop()?;
    places::clear_scratch()
}
