//! The project's own programs, built as they are now.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::failure::{Failure, Result, While};
use crate::places;

/// The binaries under test.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `azureml-operator`.
    pub operator: PathBuf,
    /// `azureml-emulator`.
    pub emulator: PathBuf,
}

/// The binaries, built once in a run: cargo does nothing where they are fresh. `AZUREML_OPERATOR_BIN` and
/// `AZUREML_EMULATOR_BIN` name others.
///
/// # Errors
/// When they do not compile.
pub fn programs() -> Result<Programs> {
    static BUILT: OnceLock<std::result::Result<Programs, String>> = OnceLock::new();
    BUILT.get_or_init(|| find().map_err(|error| error.to_string())).clone().map_err(Failure::new)
}

fn find() -> Result<Programs> {
    let given = |name: &str| std::env::var_os(name).map(PathBuf::from);
    if let (Some(operator), Some(emulator)) = (given("AZUREML_OPERATOR_BIN"), given("AZUREML_EMULATOR_BIN")) {
        return Ok(Programs { operator, emulator });
    }
    let messages = build()?;
    let built = |name: &str| executable(&messages, name).doing(format_args!("cargo build: executable {name}"));
    Ok(Programs { operator: built("azureml-operator")?, emulator: built("azureml-emulator")? })
}

/// Cargo's messages. All binaries of the workspace at once: with a choice of packages, cargo would build dependencies
/// again for the features that only those want.
fn build() -> Result<Vec<Value>> {
    let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let mut command = Command::new(cargo);
    command
        .current_dir(places::root())
        .args(["build", "--locked", "--workspace", "--bins", "--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit());
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.output().doing("cargo build")?;
    if !output.status.success() {
        return Err(Failure::new(format!("cargo build of the operator and the emulator: {}", output.status)));
    }
    let lines = String::from_utf8(output.stdout)?;
    Ok(lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

fn executable(messages: &[Value], name: &str) -> Option<PathBuf> {
    let of_name = |message: &&Value| message["reason"] == "compiler-artifact" && message["target"]["name"] == name;
    let mut executables = messages.iter().filter(of_name).filter_map(|message| message["executable"].as_str());
    executables.next().map(PathBuf::from)
}
