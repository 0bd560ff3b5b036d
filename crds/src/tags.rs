//! Tags on every object in Azure that the operator made or took over. ARM tag names may hold no `/`.

/// UUIDv5 of `<installation>/<namespace>/<kind>/<name>`.
pub const OWNER: &str = "azureml-operator-owner";
/// The same, readable, cut to ARM's limit.
pub const REF: &str = "azureml-operator-ref";
/// `created` or `adopted`.
pub const ORIGIN: &str = "azureml-operator-origin";
/// `metadata.uid` of the custom resource.
pub const UID: &str = "azureml-operator-uid";
/// On a job that Azure started by a pipeline's schedule or published address: the pipeline's owner id.
pub const PIPELINE: &str = "azureml-operator-pipeline";
/// On such a job: `Schedule` or `Published`.
pub const STARTED_BY: &str = "azureml-operator-started-by";
/// Digest of a data version's content.
pub const DIGEST: &str = "azureml-operator-digest";
/// `<job>/<output>` that a model version came from.
pub const SOURCE: &str = "azureml-operator-source";
/// Hash of what a run was submitted with.
pub const CAUSE: &str = "azureml-operator-cause";
/// Hash of the desired state that was last put.
pub const HASH: &str = "azureml-operator-hash";
/// The verdict on a model version: `Approved`, `Rejected`, `Pending`, `Inconclusive`.
pub const VERDICT: &str = "azureml-operator-verdict";
