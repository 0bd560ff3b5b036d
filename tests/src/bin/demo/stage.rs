//! What the demo plays on: cluster, emulator, web site and operator, with the data on the web and a principal made.

use azureml_operator_tests::azure::{Azure, Place};
use azureml_operator_tests::azure_client::AzureClient;
use azureml_operator_tests::cluster::Cluster;
use azureml_operator_tests::emulator::{Emulator, Principal};
use azureml_operator_tests::examples;
use azureml_operator_tests::failure::{Result, While};
use azureml_operator_tests::operator::{Operator, Options};
use azureml_operator_tests::places;
use azureml_operator_tests::site::{self, Site};
use serde_json::{Value, json};

use crate::flow::Snapshot;
use crate::view::View;

/// The namespace of the flow.
pub const NAMESPACE: &str = "bank-team";

/// Everything that runs.
pub struct Stage {
    pub cluster: Cluster,
    pub emulator: Emulator,
    pub operator: Operator,
    pub site: Site,
    pub azure: Azure,
    /// The data, as it is on the web.
    pub csv: Vec<u8>,
}

/// The data's name on the web.
const DATA: &str = "bankmarketing_train.csv";

impl Stage {
    /// Starts everything, and prepares what stands in Azure before the operator comes.
    pub async fn set(view: &View) -> Result<Self> {
        let (cluster, emulator, site) = tokio::try_join!(Cluster::start(), Emulator::start(), Site::start())?;
        let (issuer, keys) = cluster.issuer().await?;
        emulator.trust(&issuer, &keys).await?;
        view.say(&format!("kube-apiserver {} is up, with RBAC on", version(&cluster).await?));
        view.say(&format!("the emulator of Azure ML serves {}", emulator.url()));
        let csv = site::data("bankmarketing_train.csv.gz")?;
        let url = site.set(DATA, csv.clone());
        view.say(&format!("the data is on the web: {url}"));
        let azure = in_azure(&emulator).await?;
        let options = Options {
            installation: "demo".to_owned(),
            resync: "30s",
            poll: "500ms",
            stalled_retry: "5s",
            log: "info",
            ..Options::shared()
        };
        let operator = Operator::start(&cluster, &emulator, &site, options).await?;
        view.say("the operator runs as ServiceAccount azureml-operator, with the rights of deploy/base");
        Ok(Self { cluster, emulator, operator, site, azure, csv })
    }

    /// Makes the Secret and applies the examples, as their README says.
    pub async fn apply(&self, view: &View) -> Result {
        let kubectl = self.cluster.kubectl();
        let folder = places::root().join("target/demo");
        std::fs::create_dir_all(&folder).doing(folder.display())?;
        kubectl.run(&["create", "namespace", NAMESPACE]).await?;
        let printed = self.azure.printed().to_string();
        let secret =
            ["create", "secret", "generic", "azure-ml-ops", "-n", NAMESPACE, "--from-file=principal.json=/dev/stdin"];
        kubectl.run_with(&secret, &printed).await?;
        view.say("$ kubectl create secret generic azure-ml-ops --from-file=principal.json");
        let mut files = Vec::new();
        for file in examples::FILES {
            let mut objects = examples::objects(file)?;
            objects.iter_mut().for_each(|object| examples::adapt(object, &self.azure.place, &self.site.url(DATA)));
            let path = folder.join(file);
            std::fs::write(&path, examples::yaml(&objects)?).doing(path.display())?;
            files.push(path.display().to_string());
        }
        let arguments = files.iter().flat_map(|file| ["-f", file.as_str()]);
        kubectl.run(&["apply", "-n", NAMESPACE].into_iter().chain(arguments).collect::<Vec<_>>()).await?;
        view.say(&format!("$ kubectl apply -f {}", examples::FILES.join(" -f ")));
        Ok(())
    }

    /// The objects as they are now.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let api = self.cluster.api();
        let get = async |kind: &str, name: &str| {
            Ok::<_, azureml_operator_tests::failure::Failure>(api.get(kind, NAMESPACE, name).await?.unwrap_or_default())
        };
        let runs = api.list("AmlPipelineRun", NAMESPACE).await?;
        Ok(Snapshot {
            workspace: get("AmlWorkspace", "ml-ops").await?,
            compute: get("AmlCompute", "cpu-cluster").await?,
            dataset: get("AmlDataset", "bank-marketing").await?,
            pipeline: get("AmlPipeline", "bank").await?,
            run: runs.into_iter().next().unwrap_or_default(),
            model: get("AmlModel", "bank").await?,
            endpoint: get("AmlEndpoint", "bank-prod").await?,
            swagger: get("ConfigMap", "bank-prod-swagger").await?,
            secret: get("Secret", "bank-prod").await?,
        })
    }

    /// Azure, as any client with the principal's secret sees it.
    pub async fn client(&self) -> Result<AzureClient> {
        AzureClient::new(&self.emulator, &self.azure.principal).await
    }

    /// Ends everything and removes its files.
    pub async fn clear(mut self) -> Result {
        self.operator.stop().await?;
        self.emulator.stop().await?;
        self.cluster.stop()?;
        places::clear_scratch()
    }
}

async fn version(cluster: &Cluster) -> Result<String> {
    let version = cluster.kubectl().run_json(&["get", "--raw", "/version"]).await?;
    Ok(version["gitVersion"].as_str().unwrap_or_default().to_owned())
}

/// The workspace of the examples, the principal of the operator, and the one that the workspace is shared with.
async fn in_azure(emulator: &Emulator) -> Result<Azure> {
    let example = &examples::objects(examples::FILES[0])?[0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let spec = &example["spec"];
    let place = Place {
        subscription: text(&spec["subscriptionId"]),
        group: text(&spec["resourceGroup"]),
        name: text(&spec["azureName"]),
        location: "westeurope".to_owned(),
    };
    let azure = Azure::new(emulator, place).await?;
    let colleague = Principal {
        tenant: azure.principal.tenant.clone(),
        client_id: uuid::Uuid::new_v4().to_string(),
        object_id: text(&spec["access"][0]["principalId"]),
        secret: uuid::Uuid::new_v4().to_string(),
    };
    emulator.put_principal(&colleague, &json!([])).await?;
    Ok(azure)
}
