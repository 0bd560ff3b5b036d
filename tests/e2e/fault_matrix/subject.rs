//! The columns: the objects of a row, one or two a kind, and the writes that each makes to Azure.

use azureml_operator_tests::emulator::Answered;
use azureml_operator_tests::failure::Result;
use azureml_operator_tests::scenario::Scenario;
use serde_json::{Value, json};
use uuid::Uuid;

use super::fault::Fault;

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It is applied.
    Create,
    /// Its spec changes.
    Update,
    /// It is deleted.
    Delete,
}

/// All three.
pub const ACTS: [Act; 3] = [Act::Create, Act::Update, Act::Delete];

/// The columns: a kind each, and the workspace once more, as the operator makes one itself.
pub const COLUMNS: [&str; 8] =
    ["workspace", "managed workspace", "compute", "dataset", "pipeline", "pipelinerun", "model", "endpoint"];

/// A write to Azure.
#[derive(Clone, Debug)]
pub struct Write {
    /// The method.
    pub method: &'static str,
    /// A pattern for the path below the subscription.
    pub path: String,
    /// A pattern for the body.
    pub body: Option<String>,
    /// It begins a long-running operation.
    pub operation: bool,
}

impl Write {
    fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), body: None, operation: false }
    }

    fn operation(self) -> Self {
        Self { operation: true, ..self }
    }
}

/// What an act is to the matrix.
#[derive(Clone, Debug)]
pub enum Step {
    /// A cell: this write meets the fault.
    Faulted(Write),
    /// A cell without a fault, for this reason.
    Absent(&'static str),
    /// Done undisturbed, for the steps that follow: another object has the cell.
    Undisturbed,
    /// Not done: another object has the cell.
    Left,
}

/// An object and what it makes in Azure.
#[derive(Debug)]
pub struct Subject {
    /// The column.
    pub column: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The object's name.
    pub name: String,
    /// Parts of paths, queries and bodies by which a request is known to be about it.
    pub marks: Vec<String>,
    /// The spec.
    pub spec: Value,
    /// What is changed in it.
    pub change: Value,
    /// By what is done.
    pub steps: [Step; 3],
    /// The ids in Azure that belong to it begin so, below the workspace; in lower case. Of a workspace that is made: its id.
    pub ids: String,
    /// How many there have to be after each act.
    pub left: [usize; 3],
}

impl Subject {
    /// Whether a request is about it, or about this one of the things that it made.
    pub fn concerns(&self, request: &Answered, made: Option<&str>) -> bool {
        let text = format!("{}?{} {}", request.path, request.query.as_deref().unwrap_or_default(), request.body);
        let text = text.to_lowercase();
        self.marks.iter().map(String::as_str).chain(made).any(|mark| text.contains(mark))
    }
}

/// The subjects of a row; what they need is put in place.
pub async fn all(scenario: &Scenario, row: &Fault) -> Result<Vec<Subject>> {
    let slug = row.slug;
    let pipelines = [format!("slow-{slug}"), format!("stop-{slug}")];
    for pipeline in &pipelines {
        queueing(scenario, pipeline).await?;
    }
    let [slow, stop] = pipelines;
    Ok(vec![
        workspace(scenario, slug),
        managed(scenario, slug),
        compute(slug),
        dataset(scenario, slug),
        Subject {
            column: "pipeline",
            kind: "AmlPipeline",
            name: slow.clone(),
            marks: Vec::new(),
            spec: Value::Null,
            change: Value::Null,
            steps: [(); 3].map(|()| Step::Absent("nothing in Azure: a definition")),
            ids: String::new(),
            left: [0; 3],
        },
        run(&slow, false),
        run(&stop, true),
        model(slug),
        endpoint(scenario, slug),
    ])
}

fn workspace(scenario: &Scenario, slug: &str) -> Subject {
    let principal = Uuid::new_v4().to_string();
    let access = |role: &str| json!([{"principalId": principal, "principalType": "ServicePrincipal", "role": role}]);
    let name = format!("shared-{slug}");
    let mut spec = scenario.azure.workspace(&name)["spec"].clone();
    spec["access"] = access("Reader");
    let put = Write { body: Some(principal.clone()), ..Write::new("PUT", "/roleAssignments/[^/]+$") };
    Subject {
        column: "workspace",
        kind: "AmlWorkspace",
        name,
        marks: vec![principal.clone()],
        spec,
        change: json!({"access": access("AzureML Data Scientist")}),
        // The path of the deletion is known when the object's status tells the assignment's id.
        steps: [
            Step::Faulted(put.clone()),
            Step::Faulted(put),
            Step::Faulted(Write::new("DELETE", "/roleAssignments/")),
        ],
        ids: principal,
        left: [1, 1, 0],
    }
}

/// A workspace that the operator makes, changes and deletes itself. Nothing is in it.
fn managed(scenario: &Scenario, slug: &str) -> Subject {
    let name = format!("made-{slug}");
    let path = format!("/workspaces/{name}$");
    let place = &scenario.azure.place;
    let mut spec = scenario.azure.workspace(&name)["spec"].clone();
    spec["azureName"] = json!(name);
    spec["managementPolicy"] = json!("Manage");
    spec["template"] = json!({"location": place.location, "description": "one"});
    spec["deletionPolicy"] = json!("Delete");
    let id = format!("{}/providers/Microsoft.MachineLearningServices/workspaces/{name}", place.group_id());
    Subject {
        column: "managed workspace",
        kind: "AmlWorkspace",
        marks: vec![format!("/workspaces/{name}")],
        spec,
        change: json!({"template": {"description": "two"}}),
        steps: [
            Step::Faulted(Write::new("PUT", &path).operation()),
            Step::Faulted(Write::new("PATCH", &path).operation()),
            Step::Faulted(Write::new("DELETE", &path).operation()),
        ],
        ids: id.to_lowercase(),
        left: [1, 1, 0],
        name,
    }
}

fn compute(slug: &str) -> Subject {
    // A cluster's name ends in no number.
    let name = format!("c-{slug}-vm");
    let path = format!("/computes/{name}$");
    Subject {
        column: "compute",
        kind: "AmlCompute",
        marks: vec![format!("/computes/{name}")],
        spec: json!({"size": "Standard_DS3_v2", "scale": {"minNodes": 0, "maxNodes": 1}}),
        change: json!({"scale": {"maxNodes": 2}}),
        steps: [
            Step::Faulted(Write::new("PUT", &path).operation()),
            Step::Faulted(Write::new("PATCH", &path)),
            Step::Faulted(Write::new("DELETE", &path).operation()),
        ],
        ids: format!("/computes/{name}"),
        left: [1, 1, 0],
        name,
    }
}

fn dataset(scenario: &Scenario, slug: &str) -> Subject {
    let name = format!("table-{slug}");
    let put = format!("/data/{name}(/versions/[^/]+)?$");
    let version = format!("/data/{name}/versions/[^/]+$");
    let content = |text: &str| {
        let url = scenario.site.set(&format!("{}/{name}-{text}.csv", scenario.namespace), format!("a,b\n{text},1\n"));
        json!({"web": {"url": url}})
    };
    Subject {
        column: "dataset",
        kind: "AmlDataset",
        marks: vec![format!("/data/{name}")],
        spec: json!({"type": "File", "source": content("one"), "deletionPolicy": "Delete"}),
        change: json!({"source": content("two")}),
        steps: [
            Step::Faulted(Write::new("PUT", put)),
            Step::Faulted(Write::new("PUT", &version)),
            Step::Faulted(Write::new("DELETE", &version)),
        ],
        ids: format!("/data/{name}/versions/"),
        left: [1, 2, 0],
        name,
    }
}

/// A pipeline that runs when it is told to, and whose jobs are queued for as long as the test lasts.
async fn queueing(scenario: &Scenario, name: &str) -> Result {
    let path = format!("/subscriptions/{}/.*/jobs/{name}-[^/]+$", scenario.azure.place.subscription);
    let queued = json!({"method": "PUT", "path": path, "effect": {"jobTakesMilliseconds": 3_600_000}});
    scenario.emulator.fault(&queued).await?;
    let flow = crate::small::objects(scenario);
    let mut definition = flow.into_iter().find(|object| object["kind"] == "AmlPipeline").unwrap_or_default();
    definition["spec"]["run"] = json!({"triggers": []});
    definition["spec"]["experiment"] = json!(name);
    scenario.put("AmlPipeline", name, definition["spec"].clone()).await.map(|_| ())
}

/// A run that was cancelled has nothing to cancel when it is deleted: so there are two.
fn run(pipeline: &str, is_deleted: bool) -> Subject {
    let jobs = format!("/jobs/{pipeline}-[^/]+");
    let cancel = Step::Faulted(Write::new("POST", format!("{jobs}/cancel$")));
    Subject {
        column: "pipelinerun",
        kind: "AmlPipelineRun",
        name: format!("{pipeline}-run"),
        marks: vec![format!("/jobs/{pipeline}-")],
        spec: json!({"pipelineRef": {"name": pipeline}}),
        change: json!({"state": "Cancelled"}),
        steps: if is_deleted {
            [Step::Undisturbed, Step::Left, cancel]
        } else {
            [Step::Faulted(Write::new("PUT", format!("{jobs}$"))), cancel, Step::Undisturbed]
        },
        ids: format!("/jobs/{pipeline}-"),
        // A job that ended stays.
        left: [1, 1, 1],
    }
}

fn model(slug: &str) -> Subject {
    let name = format!("copy-{slug}");
    let put = format!("/models/{name}(/versions/[^/]+)?$");
    let version = format!("/models/{name}/versions/[^/]+$");
    Subject {
        column: "model",
        kind: "AmlModel",
        marks: vec![format!("/models/{name}")],
        spec: json!({"sources": [{"pipeline": "train", "output": "train_best_model"}], "deletionPolicy": "Delete"}),
        change: json!({"gate": {"metrics": [{"name": "AUC_weighted", "min": "0.01"}]}}),
        steps: [
            Step::Faulted(Write::new("PUT", put)),
            Step::Faulted(Write::new("PUT", &version)),
            Step::Faulted(Write::new("DELETE", &version)),
        ],
        ids: format!("/models/{name}/versions/"),
        left: [1, 1, 0],
        name,
    }
}

fn endpoint(scenario: &Scenario, slug: &str) -> Subject {
    let name = format!("e-{slug}-{}", &scenario.azure.place.location["region".len()..]);
    let path = format!("/onlineEndpoints/{name}$");
    let deployment = |level: &str| {
        json!({"instanceType": "Standard_DS3_v2", "instanceCount": 1,
               "environmentVariables": [{"name": "LEVEL", "value": level}]})
    };
    Subject {
        column: "endpoint",
        kind: "AmlEndpoint",
        marks: vec![format!("/onlineendpoints/{name}")],
        spec: json!({"model": {"ref": "model"}, "deployment": deployment("one")}),
        change: json!({"deployment": deployment("two")}),
        steps: [
            Step::Faulted(Write::new("PUT", &path).operation()),
            Step::Faulted(Write::new("PUT", format!("/onlineEndpoints/{name}/deployments/[^/]+$")).operation()),
            Step::Faulted(Write::new("DELETE", &path).operation()),
        ],
        ids: format!("/onlineendpoints/{name}"),
        // The endpoint and its one deployment.
        left: [2, 2, 0],
        name,
    }
}
