//! A workspace in memory, for tests of jobs and endpoints without HTTP.

use super::{Call, Plane, Reply};
use crate::jobs::ground::{Asset, Ground, WorkspaceFacts};
use crate::online::Fate;
use crate::run_history::run::Location;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// ARM id of the one workspace, in lower case.
pub(super) const WORKSPACE: &str =
    "/subscriptions/s/resourcegroups/rg/providers/microsoft.machinelearningservices/workspaces/ws";

#[derive(Default)]
pub(super) struct Shelf {
    blobs: Mutex<BTreeMap<Location, Vec<u8>>>,
    data: Mutex<BTreeMap<String, Asset>>,
    models: Mutex<BTreeMap<String, Asset>>,
}

fn container() -> Location {
    Location { account: "store".into(), container: "azureml-blobstore".into(), path: String::new() }
}

impl Ground for Shelf {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
    fn workspace(&self, workspace: &str) -> Option<WorkspaceFacts> {
        (workspace == WORKSPACE).then(|| WorkspaceFacts {
            arm_id: WORKSPACE.into(),
            location: "westeurope".into(),
            workspace_id: "guid".into(),
            account: "store".into(),
        })
    }
    fn workspace_of_guid(&self, guid: &str) -> Option<String> {
        (guid == "guid").then(|| WORKSPACE.into())
    }
    fn datastore(&self, _: &str, name: &str) -> Option<Location> {
        (name == "workspaceblobstore").then(container)
    }
    fn has_compute(&self, _: &str, name: &str) -> bool {
        name == "cpu"
    }
    fn data(&self, _: &str, name: &str, version: &str) -> Option<Asset> {
        self.data.lock().unwrap().get(&format!("{name}:{version}")).cloned()
    }
    fn model(&self, _: &str, name: &str, version: &str) -> Option<Asset> {
        self.models.lock().unwrap().get(&format!("{name}:{version}")).cloned()
    }
    fn code(&self, _: &str, name: &str, _: &str) -> Option<Asset> {
        let uri = format!("azureml://datastores/workspaceblobstore/paths/{name}");
        (name == "code").then(|| Asset { kind: "uri_folder".into(), uri })
    }
    fn has_environment(&self, _: &str, name: &str, _: &str) -> bool {
        name == "e"
    }
    fn component(&self, _: &str, _: &str, _: &str) -> Option<Value> {
        None
    }
    fn blob_url(&self, _: &str) -> Option<Location> {
        None
    }
    fn read(&self, place: &Location) -> Option<Vec<u8>> {
        self.blobs.lock().unwrap().get(place).cloned()
    }
    fn list(&self, place: &Location) -> Vec<String> {
        let blobs = self.blobs.lock().unwrap();
        let below = |known: &&Location| {
            known.account == place.account && known.container == place.container && known.path.starts_with(&place.path)
        };
        blobs.keys().filter(below).map(|known| known.path.clone()).collect()
    }
    fn write(&self, place: &Location, content: Vec<u8>) {
        self.blobs.lock().unwrap().insert(place.clone(), content);
    }
}

/// The plane over the workspace, and the workspace.
pub(super) struct Bench {
    pub(super) plane: Plane,
    shelf: Arc<Shelf>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let shelf = Arc::new(Shelf::default());
        Self { plane: Plane::new(Arc::clone(&shelf) as Arc<dyn Ground>), shelf }
    }

    /// Registers a table as version 1 of a data asset.
    pub(super) fn table(&self, name: &str, csv: String) {
        let ml_table = "paths:\n- file: ./rows.csv\ntransformations:\n- read_delimited: {delimiter: ','}\n";
        self.shelf.write(&container().join(&format!("{name}/MLTable")), ml_table.into());
        self.shelf.write(&container().join(&format!("{name}/rows.csv")), csv.into_bytes());
        let uri = format!("azureml://datastores/workspaceblobstore/paths/{name}/");
        self.shelf.data.lock().unwrap().insert(format!("{name}:1"), Asset { kind: "mltable".into(), uri });
    }

    /// A file of the code version `code:1`.
    pub(super) fn code(&self, path: &str, text: &str) {
        self.shelf.write(&container().join(&format!("code/{path}")), text.into());
    }

    /// Registers a model.
    pub(super) fn model(&self, name: &str, version: &str, uri: &str) {
        let asset = Asset { kind: "mlflow_model".into(), uri: uri.into() };
        self.shelf.models.lock().unwrap().insert(format!("{name}:{version}"), asset);
    }

    /// A call on ARM; an operation that it begins is ended.
    pub(super) fn arm(&self, method: &str, path: &str, body: Value) -> Reply {
        let mut reply = self.held(method, path, body);
        if let Some(begun) = reply.begun.take()
            && let Err((code, message)) = (begun.work)(Fate::Proceed)
        {
            reply.body = json!({"operation": {"code": code, "message": message}});
        }
        reply
    }

    /// A call on ARM; an operation that it begins stays under way.
    pub(super) fn held(&self, method: &str, path: &str, body: Value) -> Reply {
        self.plane.arm(&call(method, path, body)).unwrap()
    }

    /// Waits until a job has ended.
    pub(super) async fn ended(&self, job: &str) -> Value {
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            let job = self.arm("GET", &format!("jobs/{job}"), Value::Null).body;
            let status = job["properties"]["status"].as_str().unwrap().to_owned();
            if ["Completed", "Failed", "Canceled"].contains(&status.as_str()) {
                return job;
            }
            assert!(Instant::now() < limit, "the job is still {status}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A call with a path below the workspace, which may have a query.
pub(super) fn call(method: &str, path: &str, body: Value) -> Call {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Call {
        lists: Default::default(),
        method: method.into(),
        workspace: WORKSPACE.into(),
        path: path.split('/').map(str::to_owned).collect(),
        query: query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(k, v)| (k.to_lowercase(), v.to_owned()))
            .collect(),
        body,
        principal: "someone".into(),
        base: "https://127.0.0.1:1".into(),
        blob_endpoint: "https://127.0.0.1:1/blob/{account}".into(),
        job: Default::default(),
    }
}

/// Rows whose label follows from their columns.
pub(super) fn rows(count: usize) -> String {
    let mut csv = "age,job,y\n".to_owned();
    for n in 0..count {
        let age = 20 + (n * 7) % 50;
        let job = ["admin", "nurse", "smith"][n % 3];
        let yes = age > 45 || (job == "nurse" && age > 30);
        csv += &format!("{age},{job},{}\n", if yes { "yes" } else { "no" });
    }
    csv
}
