//! Wires the operator: clients, caches, controllers, health, leadership, and the way down.

use std::sync::Arc;
use std::time::Duration;

use azureml::Cloud;
use azureml::transport::Transport;
use azureml_crds::{
    AmlCompute, AmlDataset, AmlEndpoint, AmlModel, AmlPipeline, AmlPipelineRun, AmlResource, AmlWorkspace,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::context::Context;
use crate::credentials::Clients;
use crate::fetch::Fetcher;
use crate::health::{self, Health};
use crate::inventory::Inventory;
use crate::kinds::{
    compute::Computes, dataset::Datasets, endpoint::Endpoints, model::Models, pipeline::Pipelines,
    pipeline_run::PipelineRuns, workspace::Workspaces,
};
use crate::leader::tenure::Tenure;
use crate::metrics::{Calls, Metrics};
use crate::settings::{CloudName, Settings};
use crate::shell::filled::Filled;
use crate::shell::run::{Cache, controller, dependencies, established};
use crate::stores::Stores;
use crate::{events, leader};

/// How long the Kubernetes API may be silent in the middle of an answer.
const API_TIMEOUT: Duration = Duration::from_secs(20);
/// How long reconciles in flight may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(20);

/// All kinds.
const KINDS: [&str; 7] = [
    AmlWorkspace::KIND,
    AmlCompute::KIND,
    AmlDataset::KIND,
    AmlPipeline::KIND,
    AmlPipelineRun::KIND,
    AmlModel::KIND,
    AmlEndpoint::KIND,
];

/// Why the operator can't run, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No way to reach a cluster.
    #[error("no Kubernetes cluster is configured: {0}")]
    Config(#[from] kube::config::InferConfigError),
    /// The Kubernetes client can't be made.
    #[error("the Kubernetes client can't be made: {0}")]
    Client(Box<kube::Error>),
    /// The cloud can't be used.
    #[error(transparent)]
    Cloud(#[from] azureml::cloud::CloudError),
    /// The client of Azure can't be made.
    #[error(transparent)]
    Transport(#[from] azureml::transport::BuildError),
    /// The client that fetches datasets can't be made.
    #[error(transparent)]
    Fetch(#[from] crate::fetch::BuildError),
    /// The probes can't be served.
    #[error("{0} can't be listened on: {1}")]
    Listen(String, std::io::Error),
    /// Signals can't be heard.
    #[error("signals can't be heard: {0}")]
    Signal(std::io::Error),
    /// No leader can be elected.
    #[error("the Lease can't be used: {0}")]
    Lease(#[from] leader::LeaseError),
    /// Another replica may lead now: this one stops at once.
    #[error("the leader's Lease is lost; another replica goes on")]
    NotLeader,
    /// A watch ended by itself.
    #[error("a controller ended by itself")]
    Ended,
}

/// The caches of all kinds.
#[derive(Default)]
struct Caches {
    workspaces: Cache<AmlWorkspace>,
    computes: Cache<AmlCompute>,
    datasets: Cache<AmlDataset>,
    pipelines: Cache<AmlPipeline>,
    runs: Cache<AmlPipelineRun>,
    models: Cache<AmlModel>,
    endpoints: Cache<AmlEndpoint>,
}

impl Caches {
    fn stores(&self) -> Stores {
        Stores {
            workspaces: self.workspaces.store(),
            computes: self.computes.store(),
            datasets: self.datasets.store(),
            pipelines: self.pipelines.store(),
            runs: self.runs.store(),
            models: self.models.store(),
            endpoints: self.endpoints.store(),
        }
    }
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Why it can't run, or had to stop.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    let (stop_sender, stop) = watch::channel(false);
    listen_for_signals(stop_sender)?;
    let (client, watch_client) = kubernetes().await?;
    let metrics = Arc::<Metrics>::default();
    let health = Health::default();
    let mut serving = tokio::spawn(serve(settings.http_listen.clone(), health.clone(), metrics.clone()));

    tokio::select! {
        () = all_established(&watch_client, &settings) => {}
        () = stopped(stop.clone()) => return Ok(()),
        result = &mut serving => return result.unwrap_or(Err(RunError::Ended)),
    }
    health.set_ready();

    let mut leadership = leader::campaign(&settings, stop.clone()).await?;
    tokio::select! {
        led = leader::gained(&mut leadership.leads) => if !led { return Err(RunError::NotLeader) },
        () = stopped(stop.clone()) => { leadership.resign().await; return Ok(()) }
        result = &mut serving => return result.unwrap_or(Err(RunError::Ended)),
    }

    let caches = Caches::default();
    let context = context(settings, (client, watch_client), metrics, &caches, leadership.tenure.clone())?;
    let mut controllers = tokio::spawn(futures::future::join_all(controllers(&context, caches, &stop)).map(drop));
    let background = tokio::spawn(dependencies(context.clone()));
    tracing::info!("the controllers run");
    let result = tokio::select! {
        // In this order: controllers that end because of the stop have not ended by themselves.
        biased;
        () = stopped(stop.clone()) => {
            tracing::info!("stopping");
            if tokio::time::timeout(GRACE, &mut controllers).await.is_err() {
                tracing::warn!("some reconciles did not end in time; the next start goes on with them");
            }
            Ok(())
        }
        () = leader::lost(&mut leadership.leads) => Err(RunError::NotLeader),
        _ = &mut controllers => Err(RunError::Ended),
        result = &mut serving => result.unwrap_or(Err(RunError::Ended)),
    };
    controllers.abort();
    background.abort();
    serving.abort();
    if result.is_ok() {
        leadership.resign().await;
    }
    result
}

/// A controller a kind.
fn controllers(context: &Arc<Context>, caches: Caches, stop: &watch::Receiver<bool>) -> Vec<BoxFuture<'static, ()>> {
    let stop = || stopped(stop.clone());
    let context = || context.clone();
    vec![
        controller::<Workspaces>(context(), caches.workspaces, stop()).boxed(),
        controller::<Computes>(context(), caches.computes, stop()).boxed(),
        controller::<Endpoints>(context(), caches.endpoints, stop()).boxed(),
        controller::<Datasets>(context(), caches.datasets, stop()).boxed(),
        controller::<Pipelines>(context(), caches.pipelines, stop()).boxed(),
        controller::<PipelineRuns>(context(), caches.runs, stop()).boxed(),
        controller::<Models>(context(), caches.models, stop()).boxed(),
    ]
}

fn context(
    settings: Settings,
    (client, watch_client): (kube::Client, kube::Client),
    metrics: Arc<Metrics>,
    caches: &Caches,
    tenure: Arc<Tenure>,
) -> Result<Arc<Context>, RunError> {
    let cloud = Arc::new(match (&settings.cloud_file, settings.cloud) {
        (Some(path), _) => Cloud::from_file(path)?,
        (None, CloudName::Public) => Cloud::public(),
        (None, CloudName::Usgovernment) => Cloud::us_government(),
        (None, CloudName::China) => Cloud::china(),
    });
    let gate = tenure.clone();
    let transport = Transport::new(cloud.clone(), settings.request_timeout)?
        .observed_by(Arc::new(Calls(metrics.clone())))
        .pausing_at_most(settings.max_backoff)
        .guarded_by(Arc::new(move || gate.left()));
    let fetcher = Fetcher::new(&settings.fetch)?;
    Ok(Arc::new(Context {
        recorder: events::recorder(client.clone()),
        client,
        watch_client,
        stores: caches.stores(),
        filled: Filled::awaiting(KINDS),
        azure: Clients::new(transport, cloud),
        inventory: Inventory::new(&settings, jiff::Timestamp::now()),
        fetcher,
        metrics,
        fresh: Default::default(),
        tries: Default::default(),
        deletions: Default::default(),
        wakers: Arc::default(),
        holds: Default::default(),
        diagnoses: Default::default(),
        tenure,
        settings,
    }))
}

/// A client for calls, which must not hang, and one for watches, which are silent for long.
async fn kubernetes() -> Result<(kube::Client, kube::Client), RunError> {
    let mut config = kube::Config::infer().await?;
    // A reconcile is tried again as a whole; retries in here would hold it.
    config.default_retry = false;
    let client = |config: kube::Config| kube::Client::try_from(config).map_err(|error| RunError::Client(error.into()));
    let watches = client(config.clone())?;
    config.read_timeout = Some(API_TIMEOUT);
    config.reset_reader_on_write = true;
    Ok((client(config)?, watches))
}

async fn all_established(client: &kube::Client, settings: &Settings) {
    established::<AmlWorkspace>(client, settings).await;
    established::<AmlCompute>(client, settings).await;
    established::<AmlDataset>(client, settings).await;
    established::<AmlPipeline>(client, settings).await;
    established::<AmlPipelineRun>(client, settings).await;
    established::<AmlModel>(client, settings).await;
    established::<AmlEndpoint>(client, settings).await;
}

async fn serve(listen: String, health: Health, metrics: Arc<Metrics>) -> Result<(), RunError> {
    health::serve(&listen, health, metrics).await.map_err(|error| RunError::Listen(listen, error))
}

fn listen_for_signals(stop: watch::Sender<bool>) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signal)?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = stop.send(true);
        // Kept until the end: a closed channel would read as a stop too.
        stop.closed().await;
    });
    Ok(())
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}
