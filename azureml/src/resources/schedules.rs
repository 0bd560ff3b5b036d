//! Schedules: a trigger and the job that it submits, baked in.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Extra, Map, SystemData, nullable};
use crate::error::Error;
use crate::lro::Started;
use crate::workspace::Workspace;

/// A schedule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Schedule {
    /// The ARM id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its properties.
    pub properties: ScheduleProperties,
    /// When it was made and changed.
    #[serde(skip_serializing)]
    pub system_data: SystemData,
}

/// A schedule's properties.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScheduleProperties {
    /// What people see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// It fires. One that is to be deleted is disabled first.
    pub is_enabled: bool,
    /// When it fires.
    pub trigger: Trigger,
    /// `{"actionType": "CreateJob", "jobDefinition": {...}}`.
    pub action: Value,
    /// Creating, Updating, Deleting, Succeeded, Failed or Canceled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioning_state: Option<String>,
    /// Its tags.
    #[serde(deserialize_with = "nullable")]
    pub tags: Map,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// When a schedule fires.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trigger {
    /// `Cron` or `Recurrence`.
    pub trigger_type: String,
    /// Five fields; Azure ignores day and month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// Local time of the zone, `2026-12-01T00:00:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// A Windows time zone, e.g. `W. Europe Standard Time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Workspace {
    /// A schedule.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn schedule(&self, name: &str) -> Result<Option<Schedule>, Error> {
        self.read("schedules", &format!("schedules/{name}"), &[]).await
    }

    /// All schedules, disabled ones too.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn schedules(&self) -> Result<Vec<Schedule>, Error> {
        self.read_list("schedules", "schedules", &[("listViewType", "All")]).await
    }

    /// Makes or replaces a schedule.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn put_schedule(&self, name: &str, schedule: &Schedule) -> Result<Started<Schedule>, Error> {
        self.put("schedules", &format!("schedules/{name}"), schedule, Vec::new()).await
    }

    /// Deletes a schedule; Azure wants it disabled first.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn delete_schedule(&self, name: &str) -> Result<Started<Value>, Error> {
        self.delete("schedules", &format!("schedules/{name}"), &[]).await
    }
}
