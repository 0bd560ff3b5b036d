//! AmlDataset and AmlModel.

use serde_json::{Value, json};

use super::{Refused, refused_name, refused_spec};

pub fn full() -> Vec<(&'static str, Value)> {
    vec![
        (
            "AmlDataset",
            json!({
                "workspaceRef": {"name": "ml-ops"},
                "azureName": "Bank_Marketing",
                "type": "Table",
                "source": {"web": {"url": "https://example.org/bank.csv?sv=2024&sig=a%2Fb", "refreshInterval": "1h30m"}},
                "table": {"delimiter": ";", "encoding": "utf8", "header": "AllFilesSame"},
                "version": "2026-11",
                "description": "Calls of a bank.",
                "versionHistory": {"keep": 10},
                "deletionPolicy": "Archive",
                "adoptionPolicy": "Never",
            }),
        ),
        (
            "AmlDataset",
            json!({
                "workspaceRef": {"name": "ml-ops"},
                "type": "Folder",
                "source": {"datastore": {"name": "workspaceblobstore", "path": "bank/2026-11", "refreshInterval": "1h"}},
            }),
        ),
        (
            "AmlDataset",
            json!({
                "workspaceRef": {"name": "ml-ops"},
                "type": "Folder",
                "source": {"open": {"registry": "azureml", "name": "flights", "label": "latest"}},
            }),
        ),
        (
            "AmlDataset",
            json!({"workspaceRef": {"name": "ml-ops"}, "type": "File", "source": {"files": {"secretRef": {"name": "rows"}}}}),
        ),
        (
            "AmlModel",
            json!({
                "workspaceRef": {"name": "ml-ops"},
                "azureName": "bank_model",
                "sources": [
                    {"pipeline": "bank", "output": "train_best_model"},
                    {"path": "azureml://datastores/workspaceblobstore/paths/model", "type": "mlflow_model"},
                    {"existing": {"version": "4"}},
                ],
                "gate": {
                    "metrics": [
                        {"name": "AUC_weighted", "on": "test", "min": "0.90", "maxRegression": "0.005"},
                        {"name": "profit", "max": "0.12", "maxRegressionPercent": "5", "direction": "LowerIsBetter"},
                    ],
                    "approval": "Manual",
                },
                "approvedVersion": "3",
                "versionHistory": {"keep": 20},
            }),
        ),
    ]
}

pub fn refused() -> Vec<Refused> {
    let dataset = |what, change, message| refused_spec("AmlDataset", what, change, message);
    let model = |what, change, message| refused_spec("AmlModel", what, change, message);
    let source = |source: Value| json!({"source": source});
    let from = |source: Value| json!({"sources": [source]});
    let gate = |metric: Value| json!({"gate": {"metrics": [metric]}});
    let one_source = "write exactly one source: web, datastore, files or open";
    let bound = "write at least one of min, max, maxRegression and maxRegressionPercent";
    vec![
        refused_name("AmlDataset", "bank.csv", "metadata.name can't be the data asset's name in Azure"),
        refused_name("AmlModel", "bank.v1", "metadata.name can't be the model's name in Azure"),
        dataset(
            "a space in azureName",
            json!({"azureName": "bank marketing"}),
            "the data asset's name in Azure has 1 to 255 letters",
        ),
        dataset(
            "two sources",
            source(json!({"datastore": {"name": "workspaceblobstore", "path": "bank"}})),
            one_source,
        ),
        dataset("no source", source(json!({"web": null})), one_source),
        dataset("an unknown type", json!({"type": "Parquet"}), "supported values: \"File\", \"Folder\", \"Table\""),
        dataset("table options of a file", json!({"type": "File", "table": {}}), "spec.table belongs to type Table"),
        dataset("an unknown encoding", json!({"table": {"encoding": "ebcdic"}}), "supported values: \"utf8\""),
        dataset(
            "an address that is none",
            source(json!({"web": {"url": "example.org/bank.csv"}})),
            "write the file's whole address: https://...",
        ),
        dataset(
            "a local file",
            source(json!({"web": {"url": "file:///etc/passwd"}})),
            "write the file's whole address: https://...",
        ),
        dataset(
            "a password in an address",
            source(json!({"web": {"url": "https://me:secret@example.org/bank.csv"}})),
            "an address may hold no user name or password",
        ),
        dataset("a duration without unit", source(json!({"web": {"refreshInterval": "90"}})), "refreshInterval"),
        dataset("an empty duration", source(json!({"web": {"refreshInterval": ""}})), "refreshInterval"),
        dataset(
            "a way out of the datastore",
            source(json!({"web": null, "datastore": {"name": "workspaceblobstore", "path": "bank/../../other"}})),
            "without a leading slash and without ..",
        ),
        dataset(
            "files from two places",
            source(json!({"web": null, "files": {"configMapRef": {"name": "a"}, "secretRef": {"name": "b"}}})),
            "write one of configMapRef and secretRef",
        ),
        dataset(
            "open data by version and label",
            source(
                json!({"web": null, "open": {"registry": "azureml", "name": "a", "version": "1", "label": "latest"}}),
            ),
            "write one of version",
        ),
        dataset(
            "a version of open data that is set here",
            json!({"version": "1", "source": {"web": null, "open": {"registry": "azureml", "name": "a", "version": "1"}}}),
            "name the version in spec.source.open",
        ),
        dataset("a version with a dot", json!({"version": "1.2"}), "write 1-2 rather than 1.2"),
        dataset("a history of nothing", json!({"versionHistory": {"keep": 0}}), "should be greater than or equal to 1"),
        model("no sources", json!({"sources": []}), "should have at least 1 items"),
        model(
            "a source with two origins",
            from(json!({"pipeline": "a", "output": "b", "existing": {"version": "1"}})),
            "write exactly one of pipeline",
        ),
        model("a pipeline without output", from(json!({"pipeline": "bank"})), "pipeline and output belong together"),
        model(
            "a path without type",
            from(json!({"path": "azureml://datastores/a/paths/b"})),
            "path and type belong together",
        ),
        model(
            "an unknown type of model",
            from(json!({"path": "azureml://datastores/a/paths/b", "type": "onnx"})),
            "supported values: \"mlflow_model\"",
        ),
        model("a bound on nothing", gate(json!({"name": "accuracy"})), bound),
        model("a bound that is a word", gate(json!({"name": "accuracy", "min": "high"})), "spec.gate.metrics[0].min"),
        model("a bound that is a number", gate(json!({"name": "accuracy", "min": 0.9})), "must be of type string"),
        model(
            "bounds that cross",
            gate(json!({"name": "accuracy", "min": "0.9", "max": "0.10"})),
            "min must not be above max",
        ),
        model(
            "the same metric twice",
            json!({"gate": {"metrics": [{"name": "a", "min": "1"}, {"name": "a", "max": "2"}]}}),
            "Duplicate value",
        ),
        model(
            "an approval in other words",
            json!({"gate": {"approval": "Auto"}}),
            "supported values: \"Automatic\", \"Manual\"",
        ),
    ]
}
