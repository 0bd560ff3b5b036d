//! A trained model as a folder in MLflow's format, in the blob store.

use crate::jobs::ground::Ground;
use crate::run_history::run::Location;
use azureml_emulator_learn::{ColumnSchema, ColumnType, Model, Task};
use serde_json::{Value, json};

/// The file that holds the model itself.
const MODEL_FILE: &str = "model.json";

/// Why a folder is no model that can be served here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ModelFolderError {
    #[error("The model folder at {0} has no MLmodel file.")]
    NoMlModel(String),
    #[error("The model folder at {0} has no {MODEL_FILE}: only models that were trained here can be served here.")]
    Foreign(String),
    #[error("The model at {path} could not be loaded: {message}")]
    Broken { path: String, message: String },
}

/// Writes a model's folder.
pub(crate) fn write(ground: &dyn Ground, folder: &Location, run: &str, model: &Model) -> Result<(), ModelFolderError> {
    let text = model
        .to_json()
        .map_err(|error| ModelFolderError::Broken { path: folder.path.clone(), message: error.to_string() })?;
    let size = text.len();
    ground.write(&folder.join(MODEL_FILE), text.into_bytes());
    ground.write(&folder.join("requirements.txt"), b"azureml-automl-runtime\nmlflow\n".to_vec());
    ground.write(
        &folder.join("conda.yaml"),
        b"name: automl\ndependencies:\n- python=3.10\n- pip:\n  - mlflow\n".to_vec(),
    );
    let created = ground.now().strftime("%Y-%m-%d %H:%M:%S.%6f").to_string();
    ground.write(&folder.join("MLmodel"), ml_model(run, &created, size, model).into_bytes());
    Ok(())
}

/// Loads a model from its folder.
pub(crate) fn load(ground: &dyn Ground, folder: &Location) -> Result<Model, ModelFolderError> {
    if ground.read(&folder.join("MLmodel")).is_none() {
        return Err(ModelFolderError::NoMlModel(folder.path.clone()));
    }
    let bytes = ground.read(&folder.join(MODEL_FILE)).ok_or_else(|| ModelFolderError::Foreign(folder.path.clone()))?;
    let broken = |message: String| ModelFolderError::Broken { path: folder.path.clone(), message };
    let text = String::from_utf8(bytes).map_err(|error| broken(error.to_string()))?;
    Model::from_json(&text).map_err(|error| broken(error.to_string()))
}

/// The MLmodel file: YAML, of which JSON is a subset, which keeps every name of a column intact.
fn ml_model(run: &str, created: &str, size: usize, model: &Model) -> String {
    let signature = |columns: Vec<Value>| Value::from(Value::from(columns).to_string());
    let columns = model.input_columns();
    let inputs = columns.iter().map(|column| json!({"name": column.name, "type": mlflow_type(column)}));
    let output = match model.task() {
        Task::Classification => json!({"type": "string"}),
        Task::Regression | Task::Forecasting => json!({"type": "double"}),
    };
    let document = json!({
        "artifact_path": "outputs/mlflow-model",
        "flavors": {"python_function": {
            "loader_module": "azureml_emulator", "data": MODEL_FILE, "env": {"conda": "conda.yaml"}, "python_version": "3.10.0",
        }},
        "mlflow_version": "2.16.0",
        "model_size_bytes": size,
        "model_uuid": uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, run.as_bytes()).simple().to_string(),
        "run_id": run,
        "signature": {"inputs": signature(inputs.collect()), "outputs": signature(vec![output]), "params": null},
        "utc_time_created": created,
    });
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

fn mlflow_type(column: &ColumnSchema) -> &'static str {
    match column.kind {
        ColumnType::Integer => "long",
        ColumnType::Number => "double",
        ColumnType::Boolean => "boolean",
        ColumnType::String => "string",
        ColumnType::DateTime => "datetime",
    }
}
