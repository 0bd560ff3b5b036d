//! Objects of the same name in Azure that somebody else made.

use std::sync::Arc;

use azureml_operator_tests::azure_client::AzureClient;
use azureml_operator_tests::failure::{Failure, Result};
use azureml_operator_tests::scenario::{LIMIT, Scenario};
use azureml_operator_tests::world::World;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{POLL, Trouble, claim, part, told};
use crate::small;
use crate::suite::Suite;

/// The api-version of Azure ML.
const API_VERSION: &str = "2025-12-01";

pub(super) fn tests(suite: &mut Suite) {
    suite.add("bad_input::a_cluster_of_others_is_left_alone_and_may_be_adopted", |world| {
        adopted(world, "foreign-cpu", &["AmlCompute"], &CLUSTER)
    });
    suite.add("bad_input::a_data_asset_of_others_is_left_alone_and_may_be_adopted", |world| {
        adopted(world, "foreign-data", &["AmlDataset"], &DATA)
    });
    suite.add("bad_input::a_model_of_others_is_left_alone_and_may_be_adopted", |world| {
        adopted(world, "foreign-model", &["AmlCompute", "AmlDataset", "AmlPipeline", "AmlModel"], &MODEL)
    });
    suite.add("bad_input::an_endpoint_of_others_is_left_alone_and_may_be_adopted", |world| {
        adopted(world, "foreign-endpoint", &ALL, &ENDPOINT)
    });
    suite.add("bad_input::a_cluster_of_others_that_is_removed_makes_way_for_ours", removed_cluster);
    suite.add("bad_input::a_data_asset_of_others_that_is_removed_makes_way_for_ours", removed_data);
}

const ALL: [&str; 6] = ["AmlCompute", "AmlDataset", "AmlPipeline", "AmlModel", "ConfigMap", "AmlEndpoint"];

/// What somebody else made.
struct Foreign {
    kind: &'static str,
    name: &'static str,
    /// Its id below the workspace.
    below: &'static str,
    body: fn(&Scenario) -> Value,
}

static CLUSTER: Foreign = Foreign {
    kind: "AmlCompute",
    name: "cpu",
    below: "computes/cpu",
    body: |scenario| {
        json!({"location": scenario.azure.place.location, "tags": {"team": "other"}, "properties": {
            "computeType": "AmlCompute",
            "properties": {"vmSize": "Standard_DS3_v2", "vmPriority": "Dedicated",
                "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 7, "nodeIdleTimeBeforeScaleDown": "PT2M"}}}})
    },
};

static DATA: Foreign = Foreign {
    kind: "AmlDataset",
    name: "rows",
    below: "data/rows",
    body: |_| json!({"properties": {"dataType": "mltable", "tags": {"team": "other"}}}),
};

static MODEL: Foreign = Foreign {
    kind: "AmlModel",
    name: "model",
    below: "models/model",
    body: |_| json!({"properties": {"tags": {"team": "other"}}}),
};

static ENDPOINT: Foreign = Foreign {
    kind: "AmlEndpoint",
    name: "serve",
    below: "onlineEndpoints/serve",
    body: |scenario| {
        json!({"location": scenario.azure.place.location, "tags": {"team": "other"},
            "identity": {"type": "SystemAssigned"}, "properties": {"authMode": "Key"}})
    },
};

/// Somebody else, with what they made.
struct Others<'a> {
    client: AzureClient,
    id: String,
    foreign: &'a Foreign,
    made: Value,
}

impl<'a> Others<'a> {
    async fn make(scenario: &Scenario, foreign: &'a Foreign) -> Result<Self> {
        let principal = scenario.emulator.principal(&scenario.azure.principal.tenant).await?;
        let place = &scenario.azure.place;
        scenario.emulator.assign(&place.group_id(), &principal.object_id, "Contributor").await?;
        let client = AzureClient::new(&scenario.emulator, &principal).await?;
        let id = format!("{}/{}", place.workspace_id(), foreign.below);
        client.put(&id, API_VERSION, &(foreign.body)(scenario)).await?;
        let mut others = Self { client, id, foreign, made: Value::Null };
        others.made = others.settled().await?;
        Ok(others)
    }

    /// It, as soon as Azure is done with it.
    async fn settled(&self) -> Result<Value> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let found = self.client.resource(&self.id, API_VERSION).await?;
            let state = found.pointer("/properties/provisioningState").and_then(Value::as_str);
            if matches!(state, None | Some("Succeeded")) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                return Err(Failure::new(format!("Azure is not done: {found}")));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The operator says whose it is, and has not touched it.
    async fn left_alone(&self, scenario: &Scenario) -> Result {
        let Foreign { kind, name, below, .. } = self.foreign;
        let quoted = format!("{name:?}");
        let words = [quoted.as_str(), "exists", "adoptionPolicy: Adopt", "azureName"];
        told(scenario, &Trouble { kind, name, reason: "NotOwned", words: &words }).await?;
        let (writes, below) = (scenario.azure_writes().await?, format!("/{below}").to_lowercase());
        let own = &scenario.azure.principal.object_id;
        let touched: Vec<String> = writes
            .iter()
            .filter(|write| write.principal.as_ref() == Some(own) && write.path.to_lowercase().contains(&below))
            .map(|write| format!("{} {}", write.method, write.path))
            .collect();
        claim(touched.is_empty(), || format!("the operator wrote {touched:?}"))?;
        let now = self.client.resource(&self.id, API_VERSION).await?;
        claim(now == self.made, || format!("it was {} and is {now}", self.made))
    }
}

async fn adopted(world: Arc<World>, name: &str, kinds: &[&str], foreign: &'static Foreign) -> Result {
    let scenario = Scenario::start(&world, name).await?;
    let others = Others::make(&scenario, foreign).await?;
    scenario.apply_all(&part(&scenario, kinds)).await?;
    others.left_alone(&scenario).await?;
    scenario.change(foreign.kind, foreign.name, json!({"adoptionPolicy": "Adopt"})).await?;
    scenario.ready(foreign.kind, foreign.name).await?;
    let now = others.settled().await?;
    let tags = now.get("tags").filter(|tags| tags.is_object()).unwrap_or(&now["properties"]["tags"]);
    claim(tags["team"] == "other" && tags["azureml-operator-origin"] == "adopted", || format!("its tags are {tags}"))
}

async fn removed_cluster(world: Arc<World>) -> Result {
    removed(world, "gone-cpu", &CLUSTER, "&underlyingResourceAction=Delete").await
}

async fn removed_data(world: Arc<World>) -> Result {
    removed(world, "gone-data", &DATA, "").await
}

async fn removed(world: Arc<World>, name: &str, foreign: &'static Foreign, query: &str) -> Result {
    let scenario = Scenario::start(&world, name).await?;
    let others = Others::make(&scenario, foreign).await?;
    scenario.apply_all(&part(&scenario, &[foreign.kind])).await?;
    others.left_alone(&scenario).await?;
    others.client.delete(&others.id, API_VERSION, query).await?;
    scenario.ready(foreign.kind, foreign.name).await?;
    let count = match foreign.kind {
        "AmlCompute" => small::census(&scenario).await?.get("clusters").copied(),
        _ => small::census(&scenario).await?.get("data versions").copied(),
    };
    claim(count == Some(1), || format!("there are {count:?} in Azure"))
}
