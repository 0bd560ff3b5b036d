//! Uploads of code.

use super::{Answer, Arm};
use crate::surface::Reply;
use jiff::SignedDuration;
use serde_json::{Value, json};

impl Arm<'_> {
    /// `startPendingUpload`: a container of the workspace's own for the files of one version.
    pub(super) fn start_upload(&self) -> Answer {
        self.allowed()?;
        if self.call.method != "POST" {
            return Ok(Reply::not_allowed());
        }
        let storage = {
            let world = self.estate.world();
            let workspace = world.resource(&self.call.workspace);
            workspace.and_then(|known| known.pointer("/properties/storageAccount")?.as_str().map(str::to_owned))
        };
        let storage = storage.unwrap_or_default();
        let account = storage.rsplit('/').next().unwrap_or_default();
        let id = uuid::Uuid::new_v4();
        let container = format!("{}-{}", id.simple(), self.call.segment(1)).to_ascii_lowercase();
        let container: String = container.chars().take(63).collect();
        let now = self.estate.clock.now();
        let until = now.checked_add(SignedDuration::from_hours(24)).unwrap_or(now);
        let signature = self.estate.account_key.signature(account, &container, "racwl", until);
        let address = self.call.blob_address(account, &container);
        let kind = self.call.body.get("pendingUploadType").and_then(Value::as_str);
        Ok(Reply::ok(json!({
            "pendingUploadId": id,
            "pendingUploadType": kind.unwrap_or("TemporaryBlobReference"),
            "blobReferenceForConsumption": {
                "blobUri": address,
                "storageAccountArmId": storage,
                "credential": {"credentialType": "SAS", "sasUri": format!("{address}?{signature}")},
            },
        })))
    }
}
