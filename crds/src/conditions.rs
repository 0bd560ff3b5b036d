//! Types of conditions.

/// What is wanted is what is.
pub const READY: &str = "Ready";
/// Work is under way (kstatus).
pub const RECONCILING: &str = "Reconciling";
/// Only a change by a person can help (kstatus).
pub const STALLED: &str = "Stalled";
/// The object is paused by annotation.
pub const PAUSED: &str = "Paused";
/// Deletion in Azure can't finish.
pub const DELETION_BLOCKED: &str = "DeletionBlocked";
/// A run has ended, well or not: `kubectl wait --for=condition=Finished` always returns.
pub const FINISHED: &str = "Finished";
/// A run's verdict.
pub const SUCCEEDED: &str = "Succeeded";
/// A pipeline's last run succeeded.
pub const LAST_RUN_SUCCEEDED: &str = "LastRunSucceeded";
/// The newest version of a model passed its gate.
pub const LATEST_ACCEPTED: &str = "LatestAccepted";
/// Traffic reaches a healthy deployment of any revision.
pub const AVAILABLE: &str = "Available";
/// The desired revision has all traffic.
pub const ROLLED_OUT: &str = "RolledOut";
/// The subscription is registered for Azure ML's resource provider.
pub const PROVIDER_REGISTERED: &str = "ProviderRegistered";
/// The workspace's identity may do what the objects of the namespace ask for.
pub const ROLES_SUFFICIENT: &str = "RolesSufficient";
/// The subscription's quota allows what the objects of the namespace ask for.
pub const QUOTA_SUFFICIENT: &str = "QuotaSufficient";
/// The workspace's own storage answers.
pub const STORAGE_REACHABLE: &str = "StorageReachable";
/// What endpoints log has a place to go to.
pub const LOGS_KEPT: &str = "LogsKept";
/// Azure gives a cluster the nodes that its jobs ask for.
pub const NODES_AVAILABLE: &str = "NodesAvailable";
