//! Endpoints as they are kept over a restart, and how they serve again.

use super::endpoint::Endpoint;
use super::{Named, Online};
use crate::data_dir::{Keep, text};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;

/// What keys of records begin with.
pub(crate) const ENDPOINT: &str = "endpoint\t";

/// An endpoint with its deployments, without their models: those lie in the blob store.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredEndpoint {
    workspace: String,
    endpoint: Endpoint,
}

/// The same, to be written.
#[derive(Serialize)]
struct Stored<'a> {
    workspace: &'a str,
    endpoint: &'a Endpoint,
}

fn record(workspace: &str, name: &str, endpoint: &Endpoint) -> (String, Option<String>) {
    (format!("{ENDPOINT}{workspace}\t{name}"), text(&Stored { workspace, endpoint }))
}

/// All endpoints, to be changed: what changed is written down when this goes.
pub(super) struct Changing<'a> {
    pub(super) all: MutexGuard<'a, HashMap<String, Named>>,
    pub(super) keep: &'a Keep,
}

impl Deref for Changing<'_> {
    type Target = HashMap<String, Named>;
    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl DerefMut for Changing<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.all
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        let records = || {
            let of = |(workspace, named): (&String, &Named)| -> Vec<_> {
                named.iter().map(|(name, endpoint)| record(workspace, name, endpoint)).collect()
            };
            self.all.iter().flat_map(of).collect()
        };
        self.keep.replace(ENDPOINT, records);
    }
}

impl Online {
    /// Writes one endpoint down.
    pub(super) fn note(&self, workspace: &str, name: &str, endpoint: &Endpoint) {
        if self.0.keep.is_on() {
            self.0.keep.write(vec![record(workspace, name, endpoint)]);
        }
    }

    /// Puts back an endpoint that was kept; no operation is under way on it, and its deployments load their models.
    pub(crate) fn restore(&self, stored: StoredEndpoint) {
        let StoredEndpoint { workspace, mut endpoint } = stored;
        endpoint.busy = None;
        let now = self.jobs().ground().now();
        for deployment in endpoint.deployments.values_mut().filter(|deployment| deployment.state != "Failed") {
            // One that was being made has no model yet: its operation goes on, and tells.
            let loaded = match &deployment.folder {
                Some(folder) => {
                    self.load_again(&workspace, &endpoint.name, &deployment.name, &deployment.properties, folder)
                }
                None if deployment.state == "Succeeded" => self
                    .load(&workspace, &endpoint.name, &deployment.name, &deployment.properties)
                    .map(|(serving, _)| serving),
                None => continue,
            };
            match loaded {
                Ok(serving) => deployment.serving = Some(serving),
                Err(message) => {
                    tracing::warn!(
                        endpoint = endpoint.name,
                        deployment = deployment.name,
                        message,
                        "can't serve again"
                    );
                    deployment.state = "Failed";
                    deployment.say(now, &format!("User container has crashed or terminated: {message}"));
                    continue;
                }
            }
            deployment.say(now, "The container was started again");
        }
        // Not written down again: that would take those for removed that are not put back yet.
        self.read().entry(workspace).or_default().insert(endpoint.name.to_ascii_lowercase(), endpoint);
    }

    /// Ends what nobody was told of when a process was killed: states of something under way, where no operation is.
    pub(crate) fn settle(&self, under_way: impl Fn(&str) -> bool) {
        let mut all = self.lock();
        for endpoint in all.values_mut().flat_map(Named::values_mut) {
            let id = endpoint.id().to_ascii_lowercase();
            if !under_way(&id) {
                endpoint.state = settled(endpoint.state);
            }
            for (name, deployment) in &mut endpoint.deployments {
                if !under_way(&format!("{id}/deployments/{name}")) {
                    deployment.state = settled(deployment.state);
                }
            }
        }
    }
}

/// A state in which something can stay, for one in which it was seen last. Who asked for it was not answered, and asks
/// again.
pub(crate) fn settled(state: &str) -> &'static str {
    match state {
        "Succeeded" | "Deleting" => "Succeeded",
        _ => "Failed",
    }
}

/// The states, for [`Endpoint`] and its deployments to be read back.
pub(super) fn state<'de, D: serde::Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
    let text = String::deserialize(from)?;
    let known = ["Creating", "Updating", "Deleting", "Scaling", "Succeeded", "Failed", "Canceled"];
    let found = known.into_iter().find(|known| *known == text);
    found.ok_or_else(|| serde::de::Error::custom(format!("{text} is no provisioning state")))
}
