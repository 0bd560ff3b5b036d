//! Who of several replicas acts: the holder of a Lease.
//!
//! The holder renews after a third of the Lease's duration by a client of its own that gives up early, so that a
//! holder that can't renew stops acting well before another one may start. Azure ML has no ETags to fence with.

use std::time::Duration;

use kube_lease_manager::{LeaseManager, LeaseManagerBuilder};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::settings::Settings;

/// The Lease can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// No way to reach a cluster.
    #[error("no Kubernetes cluster is configured: {0}")]
    Config(#[from] kube::config::InferConfigError),
    /// The client can't be made.
    #[error("the Kubernetes client can't be made: {0}")]
    Client(Box<kube::Error>),
    /// It can't be read or written.
    #[error(transparent)]
    Lease(#[from] kube_lease_manager::LeaseManagerError),
}

/// Whether this replica leads, now and from now on.
pub struct Leadership {
    /// Changes with it.
    pub leads: watch::Receiver<bool>,
    resign: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl Leadership {
    /// Gives the Lease back, so that the next replica need not wait for it to run out.
    ///
    /// # Errors
    /// Never: a Lease that can't be given back runs out by itself.
    pub async fn resign(mut self) -> Result<(), LeaseError> {
        let _ = self.resign.send(true);
        if let Some(task) = self.task.take() {
            let _ = tokio::time::timeout(Duration::from_secs(5), task).await;
        }
        Ok(())
    }
}

/// Starts to run for leader; without `--leader-elect` this replica leads at once.
///
/// # Errors
/// When the Lease can't be used at all.
pub async fn campaign(settings: &Settings, stop: watch::Receiver<bool>) -> Result<Leadership, LeaseError> {
    let (resign, resigned) = watch::channel(false);
    if !settings.leader_elect {
        let (sender, leads) = watch::channel(true);
        // The sender lives as long as somebody may still ask.
        let task = tokio::spawn(async move { sender.closed().await });
        return Ok(Leadership { leads, resign, task: Some(task) });
    }
    let seconds = settings.lease_duration.as_secs().max(3);
    let grace = seconds * 2 / 3;
    let mut config = kube::Config::infer().await?;
    config.default_retry = false;
    let patience = Duration::from_millis(grace * 1000 / 4);
    (config.connect_timeout, config.read_timeout, config.write_timeout) =
        (Some(patience), Some(patience), Some(patience));
    config.reset_reader_on_write = true;
    let client = kube::Client::try_from(config).map_err(|error| LeaseError::Client(error.into()))?;
    let mut builder = LeaseManagerBuilder::new(client, &settings.lease_name)
        .with_namespace(&settings.lease_namespace)
        .with_duration(seconds)
        .with_grace(grace);
    if let Ok(host) = std::env::var("HOSTNAME") {
        builder = builder.with_identity(host);
    }
    let manager = builder.build().await?;
    let (sender, leads) = watch::channel(false);
    let task = tokio::spawn(keep(manager, sender, resigned, stop));
    Ok(Leadership { leads, resign, task: Some(task) })
}

async fn keep(
    manager: LeaseManager,
    leads: watch::Sender<bool>,
    mut resigned: watch::Receiver<bool>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let leading = *leads.borrow();
        let changed = tokio::select! {
            _ = resigned.wait_for(|resigned| *resigned) => break,
            // A leader that stops first ends its reconciles and then resigns.
            _ = stop.wait_for(|stop| *stop), if !leading => break,
            changed = manager.changed() => changed,
        };
        match changed {
            Ok(now) => {
                tracing::info!(leads = now, "leadership");
                let _ = leads.send(now);
            }
            Err(error) => {
                tracing::warn!(%error, "the Lease could not be renewed");
                // A leader that is not sure is none. The process ends and starts again.
                let _ = leads.send(false);
                if leading {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    let _ = leads.send(false);
    if let Err(error) = manager.release().await {
        tracing::warn!(%error, "the Lease could not be given back; it runs out by itself");
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
