//! Jobs: accepted, run, shown as ARM shows them.

mod command;
mod data;
mod graph;
pub(crate) mod ground;
mod log;
mod pipeline;
mod placeholder;
mod resume;
pub(crate) mod submit;
pub(crate) mod uri;
pub(crate) mod view;

use crate::automl::experiment;
use crate::automl::request::AutoMlRequest;
use crate::run_history::run::{Location, Run, RunError, RunKind, Status};
use crate::run_history::store::Runs;
use azureml_emulator_learn::{Cancel, Table};
use ground::Ground;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How a run ended that didn't complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Somebody asked for it.
    Canceled,
    /// With an error.
    Failed(RunError),
}

impl Ended {
    /// Failed by what the user gave.
    #[expect(clippy::needless_pass_by_value, reason = "takes what `map_err` hands over")]
    pub(crate) fn user_error(message: impl ToString) -> Self {
        Self::Failed(RunError { code: "UserError".to_owned(), message: message.to_string() })
    }
}

/// What somebody ordered to become of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct JobOrders {
    /// It fails so, whatever it is.
    pub(crate) fails: Option<RunError>,
    /// How long it is queued before it runs.
    pub(crate) waits: Duration,
}

/// Where named outputs lie.
pub(crate) type Outputs = BTreeMap<String, Location>;

/// The jobs of all workspaces. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Jobs(Arc<Inner>);

struct Inner {
    ground: Arc<dyn Ground>,
    runs: Runs,
    /// One for each core: as many jobs compute at a time, the others are queued.
    slots: Semaphore,
}

/// A run under way: where it is, and the flag that stops it.
#[derive(Clone)]
pub(crate) struct Underway {
    pub(crate) jobs: Jobs,
    pub(crate) workspace: Arc<str>,
    pub(crate) run: String,
    pub(crate) cancel: Cancel,
}

impl Jobs {
    /// No jobs yet.
    pub(crate) fn new(ground: Arc<dyn Ground>) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let runs = Runs::kept_by(ground.keep());
        Self(Arc::new(Inner { ground, runs, slots: Semaphore::new(cores) }))
    }

    /// What they stand on.
    pub(crate) fn ground(&self) -> &dyn Ground {
        &*self.0.ground
    }

    /// Their runs.
    pub(crate) fn runs(&self) -> &Runs {
        &self.0.runs
    }

    /// The rows of an input.
    pub(crate) fn rows(&self, workspace: &str, uri: &str) -> Result<Table, Ended> {
        data::read(self.ground(), self.runs(), workspace, uri).map_err(Ended::user_error)
    }

    /// Follows an address.
    pub(crate) fn resolve(&self, workspace: &str, uri: &str) -> Result<uri::Resolved, uri::UriError> {
        uri::resolve(self.ground(), self.runs(), workspace, uri)
    }

    /// Starts a run that was added, in the background.
    pub(crate) fn start(&self, workspace: &str, id: &str, properties: Map<String, Value>, orders: JobOrders) {
        let cancel = self.0.runs.begin(workspace, id);
        let underway = Underway { jobs: self.clone(), workspace: workspace.into(), run: id.to_owned(), cancel };
        tokio::spawn(async move {
            let ended = match (underway.queued(orders.waits).await, orders.fails) {
                (Err(ended), _) => Err(ended),
                (Ok(()), Some(error)) => {
                    underway.turn(Status::Running);
                    Err(Ended::Failed(error))
                }
                (Ok(()), None) => underway.conduct(&properties).await,
            };
            underway.finish(ended.map(drop));
            underway.jobs.runs().end(&underway.workspace, &underway.run);
        });
    }
}

impl Underway {
    /// A run below this one.
    fn below(&self, run: &str) -> Self {
        Self { run: run.to_owned(), ..self.clone() }
    }

    /// Changes the run.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Run)) {
        self.jobs.runs().change(&self.workspace, &self.run, change);
    }

    /// Sets the run's status.
    pub(crate) fn turn(&self, status: Status) {
        let now = self.jobs.ground().now();
        self.change(|run| {
            // A run that was asked to stop doesn't go back to running.
            if run.status != Status::CancelRequested || status.is_terminal() {
                run.turn(status, now);
            }
        });
    }

    fn finish(&self, ended: Result<(), Ended>) {
        let now = self.jobs.ground().now();
        match ended {
            Ok(()) => self.turn(Status::Completed),
            Err(Ended::Canceled) => self.turn(Status::Canceled),
            Err(Ended::Failed(error)) => self.change(|run| run.fail(error, now)),
        }
    }

    /// Waits in the queue, until somebody asks it to stop.
    async fn queued(&self, time: Duration) -> Result<(), Ended> {
        if time.is_zero() {
            return Ok(());
        }
        self.turn(Status::Queued);
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = self.cancelled() => Err(Ended::Canceled),
        }
    }

    /// Ends when somebody asks it to stop.
    async fn cancelled(&self) {
        while !self.cancel.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn conduct(&self, properties: &Map<String, Value>) -> Result<Outputs, Ended> {
        let kind = properties.get("jobType").and_then(Value::as_str).unwrap_or_default();
        match kind.to_ascii_lowercase().as_str() {
            "automl" => {
                let details = properties.get("taskDetails").and_then(Value::as_object);
                self.automl(details.unwrap_or(&Map::new())).await
            }
            "pipeline" => {
                self.turn(Status::Preparing);
                let inputs = pipeline::job_inputs(properties);
                pipeline::run(self, properties, &inputs).await
            }
            _ => command::run(self, properties, &command::job_inputs(properties)).await,
        }
    }

    /// Runs an AutoML experiment for this run.
    async fn automl(&self, body: &Map<String, Value>) -> Result<Outputs, Ended> {
        let request = AutoMlRequest::parse(body).map_err(Ended::user_error)?;
        self.computing(move |underway| experiment::conduct(&underway, request)).await
    }

    /// Computes on a thread of its own once a core is free.
    async fn computing<T: Send + 'static>(
        &self,
        work: impl FnOnce(Self) -> Result<T, Ended> + Send + 'static,
    ) -> Result<T, Ended> {
        self.turn(Status::Queued);
        let lost = |what: &str| Ended::Failed(RunError { code: "ServiceError".to_owned(), message: what.to_owned() });
        let _slot = self.jobs.0.slots.acquire().await.map_err(|_| lost("The emulator is ending."))?;
        if self.cancel.is_cancelled() {
            return Err(Ended::Canceled);
        }
        self.turn(Status::Preparing);
        let underway = self.clone();
        let done = tokio::task::spawn_blocking(move || work(underway)).await;
        done.map_err(|error| lost(&format!("The run's thread ended early: {error}")))?
    }
}

/// What a run is of, by `jobType` or a step's `type`.
pub(crate) fn kind_of(name: &str) -> Option<RunKind> {
    match name.to_ascii_lowercase().as_str() {
        "automl" => Some(RunKind::AutoMl),
        "pipeline" => Some(RunKind::Pipeline),
        "command" => Some(RunKind::Command),
        _ => None,
    }
}
