//! The Lease in the cluster.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};

use super::election::{Record, Sighting, Step, Terms};
use super::tenure::{BootTime, Tenure};

/// One replica's hand on the Lease.
pub struct Hand {
    api: Api<Lease>,
    name: String,
    me: String,
    terms: Terms,
    sighting: Sighting,
}

impl Hand {
    /// Not yet looked at.
    pub fn new(api: Api<Lease>, name: &str, me: String, terms: Terms) -> Self {
        Self { api, name: name.to_owned(), me, terms, sighting: Sighting::default() }
    }

    /// Looks at the Lease, and takes or renews it where that may be.
    ///
    /// # Errors
    /// When the API server does not answer as it should; the tenure is then what it was.
    pub async fn reach(&mut self, tenure: &Tenure) -> Result<(), kube::Error> {
        let found = self.api.get_opt(&self.name).await?;
        let step = self.sighting.step(&self.me, found.as_ref().map(record), BootTime::now());
        let lease = match step {
            Step::Wait => {
                tenure.end();
                return Ok(());
            }
            Step::Create => self.fresh(),
            Step::Take => self.taken(found.unwrap_or_default()),
            Step::Renew => self.renewed(found.unwrap_or_default()),
        };
        let sent = BootTime::now();
        let done = match step {
            Step::Create => self.api.create(&PostParams::default(), &lease).await,
            // With the version that was read: of two who take it at the same time one is refused.
            _ => self.api.replace(&self.name, &PostParams::default(), &lease).await,
        };
        done.map(|_| tenure.renewed(sent))
    }

    /// Gives the Lease back where it is held.
    ///
    /// # Errors
    /// When the API server does not answer as it should.
    pub async fn release(&self) -> Result<(), kube::Error> {
        let Some(mut lease) = self.api.get_opt(&self.name).await? else { return Ok(()) };
        if record(&lease).holder.as_deref() != Some(&self.me) {
            return Ok(());
        }
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        self.api.replace(&self.name, &PostParams::default(), &lease).await.map(drop)
    }

    fn fresh(&self) -> Lease {
        let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
        self.held(Lease { metadata, spec: None }, 0)
    }

    fn taken(&self, found: Lease) -> Lease {
        let before = found.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or_default();
        self.held(found, before.saturating_add(1))
    }

    fn held(&self, mut lease: Lease, transitions: i32) -> Lease {
        let now = Some(MicroTime(Timestamp::now()));
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.me.clone()),
            // Whole seconds: rounded up, so that nobody takes it too early.
            lease_duration_seconds: Some(self.terms.duration.as_secs_f64().ceil() as i32),
            acquire_time: now.clone(),
            renew_time: now,
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        });
        lease
    }

    fn renewed(&self, mut lease: Lease) -> Lease {
        lease.spec.get_or_insert_default().renew_time = Some(MicroTime(Timestamp::now()));
        lease
    }
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.as_ref();
    let seconds = spec.and_then(|spec| spec.lease_duration_seconds).and_then(|count| u64::try_from(count).ok());
    Record {
        holder: spec.and_then(|spec| spec.holder_identity.clone()),
        duration: Duration::from_secs(seconds.unwrap_or_default()),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}
