//! A run: what run history, MLflow and ARM's jobs tell about, each in its own words.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// `JobStatus`, without the members no run here ever has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    NotStarted,
    Queued,
    Preparing,
    Running,
    Finalizing,
    CancelRequested,
    Completed,
    Failed,
    Canceled,
}

impl Status {
    /// Whether the run is over.
    pub(crate) fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }

    /// ARM's and run history's word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NotStarted => "NotStarted",
            Self::Queued => "Queued",
            Self::Preparing => "Preparing",
            Self::Running => "Running",
            Self::Finalizing => "Finalizing",
            Self::CancelRequested => "CancelRequested",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
        }
    }

    /// MLflow's word.
    pub(crate) fn mlflow(self) -> &'static str {
        match self {
            Self::NotStarted | Self::Queued | Self::Preparing => "SCHEDULED",
            Self::Running | Self::Finalizing | Self::CancelRequested => "RUNNING",
            Self::Completed => "FINISHED",
            Self::Failed => "FAILED",
            Self::Canceled => "KILLED",
        }
    }
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunError {
    /// `UserError`, `ServiceError`.
    pub(crate) code: String,
    /// In words.
    pub(crate) message: String,
}

/// What a run is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RunKind {
    /// An AutoML experiment.
    AutoMl,
    /// One of its trials.
    Trial,
    /// The test of its best model.
    ModelTest,
    /// A pipeline.
    Pipeline,
    /// A command.
    Command,
}

/// A place in the blob store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Location {
    /// Storage account.
    pub(crate) account: String,
    /// Container.
    pub(crate) container: String,
    /// Blob name, or the start of it; no slash at either end.
    pub(crate) path: String,
}

impl Location {
    /// A place below this one.
    pub(crate) fn join(&self, path: &str) -> Self {
        let parts = [self.path.trim_matches('/'), path.trim_start_matches("./").trim_matches('/')];
        let path = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        Self { path, ..self.clone() }
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) kind: RunKind,
    pub(crate) display_name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) experiment: String,
    pub(crate) parent: Option<String>,
    pub(crate) root: String,
    pub(crate) number: u64,
    pub(crate) status: Status,
    pub(crate) created: Timestamp,
    pub(crate) started: Option<Timestamp>,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) created_by: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) properties: BTreeMap<String, String>,
    #[serde(with = "exact")]
    pub(crate) metrics: BTreeMap<String, f64>,
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) error: Option<RunError>,
    /// Asset id or URI of each input.
    pub(crate) inputs: BTreeMap<String, String>,
    /// Where each named output lies.
    pub(crate) outputs: BTreeMap<String, Location>,
    /// Where its artifacts lie.
    pub(crate) artifacts: Location,
    /// `properties` as submitted; `None` for runs that are no jobs of their own.
    pub(crate) job: Option<Map<String, Value>>,
    pub(crate) archived: bool,
}

impl Run {
    /// Sets the status, and the times that go with it.
    pub(crate) fn turn(&mut self, status: Status, now: Timestamp) {
        if self.status.is_terminal() {
            return;
        }
        if status == Status::Running && self.started.is_none() {
            self.started = Some(now);
        }
        if status.is_terminal() {
            self.ended = Some(now);
        }
        self.status = status;
    }

    /// Ends the run with an error.
    pub(crate) fn fail(&mut self, error: RunError, now: Timestamp) {
        if self.status.is_terminal() {
            return;
        }
        self.properties.insert("errors".to_owned(), format!("{}: {}", error.code, error.message));
        self.error = Some(error);
        self.turn(Status::Failed, now);
    }

    /// Of MLflow and run history: the experiment's id, made of its name.
    pub(crate) fn experiment_id(&self) -> String {
        experiment_id(&self.experiment)
    }
}

/// Numbers as text: JSON has no NaN, and they are to be the same to the last bit when they are read back.
mod exact {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::collections::BTreeMap;

    pub(super) fn serialize<S: Serializer>(metrics: &BTreeMap<String, f64>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(metrics.iter().map(|(name, value)| (name, value.to_string())))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, f64>, D::Error> {
        let texts = BTreeMap::<String, String>::deserialize(from)?.into_iter();
        texts.map(|(name, text)| text.parse().map(|value| (name, value)).map_err(D::Error::custom)).collect()
    }
}

/// An experiment's id: always the same for a name.
pub(crate) fn experiment_id(name: &str) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}
