//! Who of several replicas acts: the holder of a Lease.
//!
//! Azure ML has no ETags to fence with. So the holder checks right before every write how long its Lease still lasts,
//! by a clock that also counts the time that the machine was suspended, and gives no write more time than that.

pub mod election;
mod lease;
pub mod tenure;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use self::election::Terms;
use self::lease::Hand;
use self::tenure::Tenure;
use crate::settings::Settings;

/// The least that a Lease lasts: it is renewed six times in it.
const SHORTEST: Duration = Duration::from_secs(1);
/// How long giving the Lease back may take.
const RELEASE: Duration = Duration::from_secs(5);

/// The Lease can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// No way to reach a cluster.
    #[error("no Kubernetes cluster is configured: {0}")]
    Config(#[from] kube::config::InferConfigError),
    /// The client can't be made.
    #[error("the Kubernetes client can't be made: {0}")]
    Client(Box<kube::Error>),
}

/// Whether this replica leads, now and from now on.
pub struct Leadership {
    /// Changes with it; a write asks the tenure.
    pub leads: watch::Receiver<bool>,
    /// How long it may write.
    pub tenure: Arc<Tenure>,
    resign: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl Leadership {
    /// Gives the Lease back, so that the next replica need not wait for it to run out.
    pub async fn resign(mut self) {
        let _ = self.resign.send(true);
        if let Some(task) = self.task.take() {
            let _ = tokio::time::timeout(RELEASE, task).await;
        }
    }
}

/// Starts to run for leader; without `--leader-elect` this replica leads at once.
///
/// # Errors
/// When there is no cluster to hold a Lease.
pub async fn campaign(settings: &Settings, stop: watch::Receiver<bool>) -> Result<Leadership, LeaseError> {
    let (resign, resigned) = watch::channel(false);
    if !settings.leader_elect {
        let (sender, leads) = watch::channel(true);
        // The sender lives as long as somebody may still ask.
        let task = tokio::spawn(async move { sender.closed().await });
        return Ok(Leadership { leads, tenure: Arc::new(Tenure::unlimited()), resign, task: Some(task) });
    }
    let terms = Terms { duration: settings.lease_duration.max(SHORTEST) };
    let hand = Hand::new(leases(settings, terms).await?, &settings.lease_name, identity(), terms);
    let tenure = Arc::new(Tenure::by(terms));
    let (sender, leads) = watch::channel(false);
    let campaign = Campaign { hand, terms, tenure: tenure.clone(), leads: sender };
    let task = tokio::spawn(campaign.run(resigned, stop));
    Ok(Leadership { leads, tenure, resign, task: Some(task) })
}

/// The Leases, by a client of its own: neither its time-outs nor its connection are those of the reconciles.
async fn leases(settings: &Settings, terms: Terms) -> Result<Api<Lease>, LeaseError> {
    let mut config = kube::Config::infer().await?;
    config.default_retry = false;
    let patience = Some(terms.retry_period());
    (config.connect_timeout, config.read_timeout, config.write_timeout) = (patience, patience, patience);
    config.reset_reader_on_write = true;
    let client = kube::Client::try_from(config).map_err(|error| LeaseError::Client(error.into()))?;
    Ok(Api::namespaced(client, &settings.lease_namespace))
}

/// One a process, not one a Pod: a container that starts again does not know what the one before it has sent.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "azureml-operator".to_owned());
    format!("{host}_{}", Uuid::new_v4())
}

struct Campaign {
    hand: Hand,
    terms: Terms,
    tenure: Arc<Tenure>,
    leads: watch::Sender<bool>,
}

impl Campaign {
    async fn run(mut self, mut resigned: watch::Receiver<bool>, mut stop: watch::Receiver<bool>) {
        loop {
            let patience = self.terms.retry_period() * 2;
            match tokio::time::timeout(patience, self.hand.reach(&self.tenure)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the Lease can't be read or written"),
                Err(_) => tracing::warn!("the API server does not answer about the Lease"),
            }
            let (led, leads) = (*self.leads.borrow(), self.tenure.left().is_some());
            if led != leads {
                tracing::info!(leads, "leadership");
                let _ = self.leads.send(leads);
            }
            if led && !leads {
                // What was begun by another's leave is not ended: the process ends and starts again.
                return;
            }
            tokio::select! {
                _ = resigned.wait_for(|resigned| *resigned) => break,
                // A leader that stops first ends its reconciles and then resigns.
                _ = stop.wait_for(|stop| *stop), if !leads => break,
                () = tokio::time::sleep(self.terms.retry_period()) => {}
            }
        }
        self.tenure.end();
        let _ = self.leads.send(false);
        if let Err(error) = self.hand.release().await {
            tracing::warn!(%error, "the Lease could not be given back; it runs out by itself");
        }
    }
}

/// Waits until this replica leads; false where that can't be any more.
pub async fn gained(leads: &mut watch::Receiver<bool>) -> bool {
    leads.wait_for(|leads| *leads).await.is_ok()
}

/// Waits until this replica leads no more.
pub async fn lost(leads: &mut watch::Receiver<bool>) {
    let _ = leads.wait_for(|leads| !*leads).await;
}
