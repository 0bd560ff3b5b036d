//! The operator binary.

use std::process::ExitCode;

use azureml_operator::logging;
use azureml_operator::settings::{Cli, Command, Settings};
use clap::Parser;
use tracing_subscriber::util::SubscriberInitExt;

fn main() -> ExitCode {
    // One TLS provider for the whole process, chosen before anything can choose another.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("a TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    let Command::Run(settings) = Cli::parse().command;
    if let Err(error) = log(&settings) {
        eprintln!("--log {:?} can't be read: {error}", settings.log);
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime can't be started");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(azureml_operator::run::run(*settings));
    // What still runs in the background (a download) is not waited for.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "stopped");
            ExitCode::FAILURE
        }
    }
}

fn log(settings: &Settings) -> Result<(), tracing_subscriber::filter::ParseError> {
    logging::subscriber(&settings.log, settings.log_format, std::io::stderr)?.init();
    Ok(())
}
