//! Prometheus metrics.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Labels of a reconcile.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ReconcileLabels {
    /// The kind.
    pub kind: &'static str,
    /// `success`, or the category of the error.
    pub result: &'static str,
}

/// Labels of a call to Azure.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CallLabels {
    /// The resource type, as the client names it (`onlineEndpoints`).
    pub resource: &'static str,
    /// The method.
    pub verb: String,
    /// The status code, or the sort of failure where none came.
    pub code: String,
}

/// Every metric of the operator.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_seconds: Family<ReconcileLabels, Histogram>,
    azure_requests: Family<CallLabels, Counter>,
    azure_seconds: Family<CallLabels, Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("azureml_operator");
        let buckets = || Histogram::new(exponential_buckets(0.005, 2.0, 14));
        let this = Self {
            registry: Registry::default(),
            reconciles: Family::default(),
            reconcile_seconds: Family::new_with_constructor(buckets),
            azure_requests: Family::default(),
            azure_seconds: Family::new_with_constructor(buckets),
        };
        registry.register("reconciles", "Reconciles by kind and result", this.reconciles.clone());
        registry.register("reconcile_duration_seconds", "How long a reconcile took", this.reconcile_seconds.clone());
        registry.register(
            "azure_requests",
            "Requests to Azure by resource, verb and code",
            this.azure_requests.clone(),
        );
        registry.register(
            "azure_request_duration_seconds",
            "How long Azure took to answer",
            this.azure_seconds.clone(),
        );
        Self { registry, ..this }
    }
}

impl Metrics {
    /// Counts a reconcile.
    pub fn reconciled(&self, kind: &'static str, result: &'static str, took: Duration) {
        let labels = ReconcileLabels { kind, result };
        self.reconciles.get_or_create(&labels).inc();
        self.reconcile_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// The text that Prometheus scrapes.
    pub fn render(&self) -> String {
        let mut text = String::new();
        if prometheus_client::encoding::text::encode(&mut text, &self.registry).is_err() {
            tracing::warn!("the metrics could not be written as text");
        }
        text
    }

    fn called(&self, resource: &'static str, verb: &str, code: String, took: Duration) {
        let labels = CallLabels { resource, verb: verb.to_owned(), code };
        self.azure_requests.get_or_create(&labels).inc();
        self.azure_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }
}

/// The client's view of the metrics.
#[derive(Debug)]
pub struct Calls(pub Arc<Metrics>);

impl azureml::transport::Observer for Calls {
    fn called(&self, call: &azureml::transport::Call<'_>) {
        self.0.called(call.resource, call.verb, call.code.clone(), call.duration);
    }
}
