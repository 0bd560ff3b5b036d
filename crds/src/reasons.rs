//! Reasons of conditions and events, in one place.

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: &str = $text;)+
        /// Every reason, for the reference.
        pub const ALL: &[(&str, &str)] = &[$(($text, concat!($($doc),+))),+];
    };
}

reasons! {
    /// What is wanted is what is.
    SUCCEEDED = "Succeeded";
    /// Work is under way.
    PROGRESSING = "Progressing";
    /// The object is being deleted in Azure.
    DELETING = "Deleting";
    /// Paused by annotation, on the object or its workspace.
    PAUSED = "Paused";
    /// The annotation azureml.dev/protect refuses deletion.
    PROTECTED = "Protected";
    /// Something still needs this object.
    IN_USE = "InUse";
    /// The reconcile took too long and is tried again.
    TIMED_OUT = "TimedOut";
    /// The Kubernetes API refused or failed.
    KUBERNETES_ERROR = "KubernetesError";
    /// This replica lost its lease.
    NOT_LEADER = "NotLeader";
    /// Azure could not be reached or failed; tried again.
    AZURE_UNAVAILABLE = "AzureUnavailable";
    /// Azure limits the rate of requests; tried again when it says.
    THROTTLED = "Throttled";
    /// Another operation on the Azure object is in progress.
    AZURE_BUSY = "AzureBusy";
    /// Azure refused what was sent.
    AZURE_REJECTED = "AzureRejected";
    /// Something that is needed does not exist in Azure.
    AZURE_NOT_FOUND = "AzureNotFound";
    /// An operation in Azure ended as failed.
    OPERATION_FAILED = "OperationFailed";
    /// The credential was refused.
    AUTHENTICATION_FAILED = "AuthenticationFailed";
    /// Azure knows of no role of the identity: one that was given minutes ago works soon.
    ROLE_PROPAGATING = "RolePropagating";
    /// The identity lacks a role, and has done so for longer than Azure takes to spread an assignment.
    WAITING_FOR_ROLE_ASSIGNMENT = "WaitingForRoleAssignment";
    /// The operator's configuration does not allow this identity here.
    IDENTITY_NOT_ALLOWED = "IdentityNotAllowed";
    /// A Secret that is named does not exist.
    SECRET_NOT_FOUND = "SecretNotFound";
    /// A Secret lacks the key that is named, or it holds nothing usable.
    SECRET_INVALID = "SecretInvalid";
    /// A ServiceAccount that is named does not exist.
    SERVICE_ACCOUNT_NOT_FOUND = "ServiceAccountNotFound";
    /// A ConfigMap, or a key of it, does not exist.
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound";
    /// The AmlWorkspace that is named does not exist.
    WORKSPACE_NOT_FOUND = "WorkspaceNotFound";
    /// The AmlWorkspace is not ready.
    WORKSPACE_NOT_READY = "WorkspaceNotReady";
    /// The Azure ML workspace does not exist.
    AZURE_WORKSPACE_NOT_FOUND = "AzureWorkspaceNotFound";
    /// The AmlCompute that is named does not exist or is not ready.
    WAITING_FOR_COMPUTE = "WaitingForCompute";
    /// The AmlDataset that is named does not exist or has no version yet.
    WAITING_FOR_DATASET = "WaitingForDataset";
    /// No run has finished with the output that the model is made from.
    WAITING_FOR_RUN = "WaitingForRun";
    /// The AmlModel that is named does not exist or has no approved version yet.
    WAITING_FOR_MODEL = "WaitingForModel";
    /// A manual approval is awaited.
    WAITING_FOR_APPROVAL = "WaitingForApproval";
    /// The object in Azure is not ours and adoption is not allowed.
    NOT_OWNED = "NotOwned";
    /// Another live cluster with the same installation name holds the object.
    OWNERSHIP_TAKEN = "OwnershipTaken";
    /// The object was found again after the cluster was rebuilt.
    REATTACHED = "Reattached";
    /// The object was taken over.
    ADOPTED = "Adopted";
    /// The name belongs to somebody else in this region.
    NAME_TAKEN = "NameTaken";
    /// A pinned version exists with other content.
    VERSION_IMMUTABLE = "VersionImmutable";
    /// Content that was registered before has come back.
    REVERTED = "Reverted";
    /// The source could not be found.
    SOURCE_NOT_FOUND = "SourceNotFound";
    /// The source is empty or not in the format that is declared.
    SOURCE_INVALID = "SourceInvalid";
    /// The operator's configuration does not allow this source.
    SOURCE_FORBIDDEN = "SourceForbidden";
    /// The source did not answer.
    SOURCE_UNAVAILABLE = "SourceUnavailable";
    /// The spec can't work as written.
    INVALID_SPEC = "InvalidSpec";
    /// A job is running.
    RUNNING = "Running";
    /// A run failed.
    RUN_FAILED = "RunFailed";
    /// A run was cancelled.
    RUN_CANCELLED = "RunCancelled";
    /// A run took longer than its limit.
    RUN_TIMED_OUT = "RunTimedOut";
    /// The job of a run is gone from Azure.
    JOB_LOST = "JobLost";
    /// No model version has been approved.
    NO_APPROVED_VERSION = "NoApprovedVersion";
    /// The version passed its gate.
    GATE_PASSED = "GatePassed";
    /// The version did not pass its gate.
    GATE_FAILED = "GateFailed";
    /// The gate could not be judged.
    GATE_INCONCLUSIVE = "GateInconclusive";
    /// A rollout is under way.
    ROLLING_OUT = "RollingOut";
    /// The candidate failed and traffic is back on the stable revision.
    ROLLED_BACK = "RolledBack";
    /// The smoke request failed.
    SMOKE_TEST_FAILED = "SmokeTestFailed";
    /// A deployment failed in Azure.
    DEPLOYMENT_FAILED = "DeploymentFailed";
    /// No deployment takes traffic.
    NO_TRAFFIC = "NoTraffic";
    /// The spec asks for something that this release of the operator does not do.
    UNSUPPORTED = "Unsupported";
    /// The AmlCompute that is named does not exist.
    COMPUTE_NOT_FOUND = "ComputeNotFound";
    /// The AmlDataset that is named, or its version, does not exist.
    DATASET_NOT_FOUND = "DatasetNotFound";
    /// The environment that is named does not exist.
    ENVIRONMENT_NOT_FOUND = "EnvironmentNotFound";
    /// The component that is named does not exist.
    COMPONENT_NOT_FOUND = "ComponentNotFound";
    /// The AmlPipeline that is named does not exist.
    PIPELINE_NOT_FOUND = "PipelineNotFound";
    /// A version of the model that is named does not exist.
    MODEL_VERSION_NOT_FOUND = "ModelVersionNotFound";
    /// Steps read each other's outputs in a circle.
    STEP_CYCLE = "StepCycle";
    /// Something in the spec names an input, step, output or parameter that is not there.
    DANGLING_REFERENCE = "DanglingReference";
    /// The subscription's quota does not suffice.
    QUOTA_EXCEEDED = "QuotaExceeded";
    /// The subscription is not registered for a resource provider that is needed.
    PROVIDER_NOT_REGISTERED = "ProviderNotRegistered";
    /// The identity may not do all that is asked for.
    ROLE_MISSING = "RoleMissing";
    /// A size of machines is not offered in the region.
    SIZE_NOT_OFFERED = "SizeNotOffered";
    /// The workspace has no default datastore.
    DATASTORE_MISSING = "DatastoreMissing";
    /// The workspace's storage does not answer.
    STORAGE_UNREACHABLE = "StorageUnreachable";
    /// The workspace has no Application Insights component, or it is gone.
    APPLICATION_INSIGHTS_MISSING = "ApplicationInsightsMissing";
    /// It could not be found out.
    NOT_KNOWN = "NotKnown";
    /// Nothing asks for it.
    NOT_NEEDED = "NotNeeded";
    /// Azure can't give a cluster the nodes that it needs.
    NODES_UNAVAILABLE = "NodesUnavailable";
    /// Entra ID does not know a principal, or not yet.
    PRINCIPAL_NOT_FOUND = "PrincipalNotFound";
    /// A workspace of this name was deleted and can still be recovered.
    SOFT_DELETED = "SoftDeleted";
    /// The object was let go of and stays in Azure.
    RETAINED = "Retained";
    /// Deletion in Azure can't finish.
    DELETION_BLOCKED = "DeletionBlocked";
    /// Deletion was let go of by annotation; the object in Azure may still exist.
    ABANDONED = "Abandoned";
    /// The object was made in Azure.
    CREATED = "Created";
    /// The object in Azure was changed to what the spec says.
    UPDATED = "Updated";
    /// The object in Azure differed from the spec and was put right.
    DRIFT_CORRECTED = "DriftCorrected";
    /// The object was deleted in Azure.
    DELETED = "Deleted";
    /// The object was archived in Azure.
    ARCHIVED = "Archived";
    /// A role assignment was made.
    ACCESS_GRANTED = "AccessGranted";
    /// A role assignment was removed.
    ACCESS_REVOKED = "AccessRevoked";
    /// A new version was registered.
    VERSION_REGISTERED = "VersionRegistered";
    /// Another version of shared data is used now.
    VERSION_FOLLOWED = "VersionFollowed";
    /// A job was submitted.
    RUN_SUBMITTED = "RunSubmitted";
    /// A run ended well.
    RUN_SUCCEEDED = "RunSucceeded";
    /// A run was due while another was unfinished, and concurrencyPolicy forbids two.
    RUN_SKIPPED = "RunSkipped";
    /// A run that started in Azure was found there.
    RUN_FOUND = "RunFound";
    /// A schedule should have started a run and none was found in Azure.
    SCHEDULE_MISSED = "ScheduleMissed";
    /// Requests to the published address run another version from now on.
    PUBLISHED = "Published";
    /// A newer desired state took the place of this one.
    SUPERSEDED = "Superseded";
    /// The previous revision is kept at 0 % while the new one is watched.
    BAKING = "Baking";
    /// Azure or the deployment's health took longer than progressDeadline.
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded";
    /// A Secret or ConfigMap of the output's name exists and is not ours.
    OUTPUT_NOT_OWNED = "OutputNotOwned";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn reasons_are_camel_case_distinct_and_explained() {
        for (index, (reason, sentence)) in ALL.iter().enumerate() {
            assert!(reason.starts_with(|first: char| first.is_ascii_uppercase()), "{reason}");
            assert!(reason.chars().all(|letter| letter.is_ascii_alphanumeric()), "{reason}");
            assert!(sentence.trim().ends_with('.'), "{reason}: {sentence}");
            assert!(ALL.iter().skip(index + 1).all(|(other, _)| other != reason), "{reason} twice");
        }
    }
}
