//! The workspace's resources and blobs, as jobs and deployments ask for them.

use super::Estate;
use crate::data_dir::Keep;
use crate::jobs::ground::{Asset, Ground, WorkspaceFacts};
use crate::quota;
use crate::run_history::run::Location;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

impl Estate {
    fn version(&self, workspace: &str, kind: &str, name: &str, version: &str) -> Option<Value> {
        let world = self.world();
        let container = format!("{workspace}/{kind}/{name}");
        if version.eq_ignore_ascii_case("latest") {
            return world.members(&format!("{container}/versions")).last().map(|newest| (*newest).clone());
        }
        world.resource(&format!("{container}/versions/{version}")).cloned()
    }

    fn asset(&self, workspace: &str, of: (&str, &str, &str), kind_field: &str, uri_field: &str) -> Option<Asset> {
        let (kind, name, version) = of;
        let found = self.version(workspace, kind, name, version)?;
        Some(Asset { kind: text(&found, kind_field).unwrap_or_default(), uri: text(&found, uri_field)? })
    }
}

impl Ground for Estate {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn workspace(&self, workspace: &str) -> Option<WorkspaceFacts> {
        let world = self.world();
        let found = world.resource(workspace)?;
        let account = text(found, "/properties/storageAccount").unwrap_or_default();
        Some(WorkspaceFacts {
            arm_id: text(found, "/id")?,
            location: text(found, "/location")?,
            workspace_id: text(found, "/properties/workspaceId")?,
            account: account.rsplit('/').next().unwrap_or_default().to_owned(),
        })
    }

    fn workspace_of_guid(&self, guid: &str) -> Option<String> {
        let world = self.world();
        let is_it = |workspace: &Value| {
            text(workspace, "/properties/workspaceId").is_some_and(|known| known.eq_ignore_ascii_case(guid))
        };
        world.workspaces().find(|(_, workspace)| is_it(workspace)).map(|(id, _)| id.to_owned())
    }

    fn registry(&self, name: &str) -> Option<String> {
        self.world().registry(name).map(|(id, _)| id.to_owned())
    }

    fn datastore(&self, workspace: &str, name: &str) -> Option<Location> {
        let world = self.world();
        let store = world.resource(&format!("{workspace}/datastores/{name}"))?;
        let account = text(store, "/properties/accountName")?;
        Some(Location { account, container: text(store, "/properties/containerName")?, path: String::new() })
    }

    fn has_compute(&self, workspace: &str, name: &str) -> bool {
        self.world().resource(&format!("{workspace}/computes/{name}")).is_some()
    }

    fn data(&self, workspace: &str, name: &str, version: &str) -> Option<Asset> {
        self.asset(workspace, ("data", name, version), "/properties/dataType", "/properties/dataUri")
    }

    fn model(&self, workspace: &str, name: &str, version: &str) -> Option<Asset> {
        self.asset(workspace, ("models", name, version), "/properties/modelType", "/properties/modelUri")
    }

    fn code(&self, workspace: &str, name: &str, version: &str) -> Option<Asset> {
        let found = self.version(workspace, "codes", name, version)?;
        Some(Asset { kind: "uri_folder".to_owned(), uri: text(&found, "/properties/codeUri")? })
    }

    fn has_environment(&self, workspace: &str, name: &str, version: &str) -> bool {
        self.version(workspace, "environments", name, version).is_some()
    }

    fn component(&self, workspace: &str, name: &str, version: &str) -> Option<Value> {
        self.version(workspace, "components", name, version)?.pointer("/properties/componentSpec").cloned()
    }

    fn blob_url(&self, url: &str) -> Option<Location> {
        blob_url(url)
    }

    fn read(&self, place: &Location) -> Option<Vec<u8>> {
        self.blobs.get(place).map(|blob| blob.content.to_vec())
    }

    fn list(&self, place: &Location) -> Vec<String> {
        self.blobs.names(place)
    }

    fn write(&self, place: &Location, content: Vec<u8>) {
        let now = self.clock.now();
        let kind = "application/octet-stream";
        // Without a condition a write can't be refused.
        let _ = self.blobs.put(place, content.into(), kind, BTreeMap::new(), false, now);
    }

    fn cores(&self, workspace: &str, location: &str, size: &str) -> Option<(i64, i64)> {
        let (world, family) = (self.world(), quota::family(size));
        let subscription = workspace.split('/').nth(2)?;
        let used = quota::of_clusters(&world, subscription, location, "").get(&family).copied().unwrap_or(0);
        Some((used, quota::limit(&world, subscription, location, &family)))
    }

    fn keep(&self) -> Keep {
        self.keep.clone()
    }

    fn signature(&self, place: &Location) -> String {
        let now = self.clock.now();
        let until = now.checked_add(SignedDuration::from_hours(1)).unwrap_or(now);
        self.account_key.signature(&place.account, &place.container, "rl", until)
    }
}

/// The blob an address stands for: of a host of the account's own, of a path of this port, or `wasbs://` and `abfss://`.
fn blob_url(url: &str) -> Option<Location> {
    let (scheme, rest) = url.split_once("://")?;
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = crate::surface::http::decoded(path);
    let place = |account: &str, container: &str, path: &str| Location {
        account: account.to_ascii_lowercase(),
        container: container.to_owned(),
        path: path.trim_matches('/').to_owned(),
    };
    if let ("wasbs" | "abfss" | "wasb" | "abfs", Some((container, host))) = (scheme, authority.split_once('@')) {
        return Some(place(host.split('.').next()?, container, &path));
    }
    if let Some((account, _)) = authority.split_once(".blob.") {
        let (container, path) = path.split_once('/').unwrap_or((&path, ""));
        return Some(place(account, container, path));
    }
    let rest = path.strip_prefix("blob/")?;
    let (account, rest) = rest.split_once('/')?;
    let (container, path) = rest.split_once('/').unwrap_or((rest, ""));
    Some(place(account, container, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_blobs_address_is_read() {
        let expected = Location { account: "acct".into(), container: "c".into(), path: "a b/x.csv".into() };
        for url in [
            "https://acct.blob.core.windows.net/c/a%20b/x.csv?sig=1",
            "https://127.0.0.1:8443/blob/acct/c/a%20b/x.csv",
            "wasbs://c@acct.blob.core.windows.net/a%20b/x.csv",
            "abfss://c@acct.dfs.core.windows.net/a%20b/x.csv",
        ] {
            assert_eq!(blob_url(url), Some(expected.clone()), "{url}");
        }
        assert_eq!(blob_url("https://example.org/x.csv"), None);
    }
}
