//! kubectl, as a person uses it.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::failure::{Failure, Result, While};

/// kubectl with a kubeconfig.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// This program with this kubeconfig.
    #[must_use]
    pub fn new(program: PathBuf, kubeconfig: PathBuf) -> Self {
        Self { program, kubeconfig }
    }

    /// The kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// What it prints.
    ///
    /// # Errors
    /// When it fails; what it says of it is in the message.
    pub async fn run(&self, arguments: &[&str]) -> Result<String> {
        self.run_with(arguments, "").await
    }

    /// The JSON that it prints.
    ///
    /// # Errors
    /// When it fails or prints something else.
    pub async fn run_json(&self, arguments: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.run(arguments).await?)?)
    }

    /// What it prints when it is given this on its standard input.
    ///
    /// # Errors
    /// When it fails; what it says of it is in the message.
    pub async fn run_with(&self, arguments: &[&str], input: &str) -> Result<String> {
        let output = self.output(arguments, input).await?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Failure::new(format!("kubectl {}: {}", arguments.join(" "), said.trim())))
    }

    /// Its whole output, failed or not.
    ///
    /// # Errors
    /// When it can't be started.
    pub async fn output(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            // Its cache of discovery would remember another cluster on the same port.
            .env("KUBECACHEDIR", self.kubeconfig.with_extension("cache"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .doing(self.program.display())?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await?;
        }
        Ok(child.wait_with_output().await?)
    }

    /// Applies YAML in a namespace.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn apply(&self, namespace: &str, yaml: &str) -> Result<String> {
        self.run_with(&["apply", "-n", namespace, "-f", "-"], yaml).await
    }

    /// What `kubectl describe` tells a person.
    ///
    /// # Errors
    /// When there is no such object.
    pub async fn describe(&self, namespace: &str, kind: &str, name: &str) -> Result<String> {
        self.run(&["describe", "-n", namespace, kind, name]).await
    }
}
