//! Events: what a person sees at the end of `kubectl describe`. Published on transitions alone.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

/// The limit of the events API on a note.
const NOTE_LIMIT: usize = 1024;

/// Something worth an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Normal, or Warning.
    pub warning: bool,
    /// CamelCase, a word for what happened (`Created`, `Reattached`, `RolledBack`).
    pub reason: String,
    /// One sentence.
    pub message: String,
}

impl Note {
    /// A Normal event.
    pub fn normal(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { warning: false, reason: reason.into(), message: message.into() }
    }

    /// A Warning event.
    pub fn warning(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { warning: true, reason: reason.into(), message: message.into() }
    }
}

/// The shared recorder: one for all kinds, so that a series is counted as one.
pub fn recorder(client: kube::Client) -> Recorder {
    Recorder::new(client, Reporter { controller: "azureml-operator".into(), instance: std::env::var("HOSTNAME").ok() })
}

/// Publishes notes about an object. An event that can't be written is logged and nothing more: it is news, not state.
pub async fn publish(recorder: &Recorder, about: &ObjectReference, notes: &[Note]) {
    for note in notes {
        let event = Event {
            type_: if note.warning { EventType::Warning } else { EventType::Normal },
            reason: note.reason.clone(),
            note: Some(note.message.chars().take(NOTE_LIMIT).collect()),
            action: note.reason.clone(),
            secondary: None,
        };
        if let Err(error) = recorder.publish(&event, about).await {
            tracing::warn!(%error, reason = note.reason, "the event could not be written");
        }
    }
}
