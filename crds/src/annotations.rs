//! Annotations that people (and the operator) put on objects. Commands name their target and change no spec.

/// `"true"` stops every call to Azure for the object, or on an AmlWorkspace for all that refer to it.
pub const PAUSED: &str = "azureml.dev/paused";
/// Anything new: look at Azure now.
pub const RECONCILE_AT: &str = "azureml.dev/reconcile-at";
/// How often this object is looked at, in place of the operator's `--resync`.
pub const RESYNC_INTERVAL: &str = "azureml.dev/resync-interval";
/// The hash of the candidate that may go on past an approval step; on an AmlModel the version that is approved.
pub const APPROVE: &str = "azureml.dev/approve";
/// The hash of the candidate that is promoted at once.
pub const PROMOTE: &str = "azureml.dev/promote";
/// The hash of the candidate that is given up.
pub const ABORT: &str = "azureml.dev/abort";
/// The hash of the rejected revision that is tried again.
pub const RETRY: &str = "azureml.dev/retry";
/// Anything new: rotate the endpoint's keys.
pub const ROTATE_KEYS: &str = "azureml.dev/rotate-keys";
/// Anything new: run the pipeline.
pub const RUN: &str = "azureml.dev/run";
/// `"true"` lets a deletion finish without Azure's object being gone.
pub const FORCE_ABANDON: &str = "azureml.dev/force-abandon";
/// `"true"` refuses deletion in Azure.
pub const PROTECT: &str = "azureml.dev/protect";
/// The model version whose gate is overridden.
pub const OVERRIDE_GATE: &str = "azureml.dev/override-gate";
/// The Azure job of a run and its attempt, written before the job is submitted.
pub const JOB: &str = "azureml.dev/job";
/// The definition that a person's run took from its pipeline, as JSON, written before the job is submitted.
pub const PIPELINE_SPEC: &str = "azureml.dev/pipeline-spec";
/// Why the operator made a run (`SpecChange`, `DatasetChange`, `Schedule`, `Manual`, `Published`).
pub const CAUSE: &str = "azureml.dev/cause";
/// What Argo CD is told about children: their state is the parent's business.
pub const ARGOCD_COMPARE: (&str, &str) = ("argocd.argoproj.io/compare-options", "IgnoreExtraneous");
/// On an endpoint's Secret: the digest of the keys in it, by which it is seen whether Azure has others by now.
pub const KEYS_DIGEST: &str = "azureml.dev/keys-digest";
