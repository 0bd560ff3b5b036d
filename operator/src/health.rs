//! Liveness, readiness and metrics over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::metrics::Metrics;

/// What the probes answer from.
#[derive(Clone, Debug, Default)]
pub struct Health {
    ready: Arc<AtomicBool>,
}

impl Health {
    /// The watches are established; from now on the process answers as ready.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }
}

/// Serves `/healthz`, `/readyz` and `/metrics` for the life of the process.
///
/// # Errors
/// When the address can't be bound or the listener fails.
pub async fn serve(listen: &str, health: Health, metrics: Arc<Metrics>) -> std::io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state((health, metrics));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    axum::serve(listener, router).await
}

async fn readyz(State((health, _)): State<(Health, Arc<Metrics>)>) -> (StatusCode, &'static str) {
    if health.ready.load(Ordering::Acquire) {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the watches are not established yet")
    }
}

async fn render(State((_, metrics)): State<(Health, Arc<Metrics>)>) -> String {
    metrics.render()
}
