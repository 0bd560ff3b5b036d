//! What a deployment serves: a model that was trained here, or scoring code of one's own.

use super::Online;
use super::container::{Container, Folder, Launch, Log};
use super::rules::Refusal;
use crate::automl::mlflow_model;
use crate::run_history::run::Location;
use azureml_emulator_learn::Model;
use serde_json::{Map, Value};
use std::sync::Arc;

/// What answers a deployment's requests. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Serving {
    /// A model, in this process.
    Model(Arc<Model>),
    /// A script, in a process of its own that ends with the last of these.
    Code(Arc<Container>),
}

/// `codeConfiguration` of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Code {
    /// ARM id of the code's version.
    code: String,
    /// The script's path in it.
    script: String,
    variables: Vec<(String, String)>,
}

impl Code {
    /// Of a deployment's properties; none where it has no code of its own.
    pub(crate) fn read(properties: &Map<String, Value>) -> Result<Option<Self>, Refusal> {
        let Some(configuration) = properties.get("codeConfiguration").filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        let text = |name: &str| configuration.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let script = text("scoringScript").ok_or_else(|| {
            Refusal::bad("The deployment has code but no script: give codeConfiguration.scoringScript.")
        })?;
        let code = text("codeId")
            .ok_or_else(|| Refusal::bad("The deployment names no code: give codeConfiguration.codeId."))?;
        if properties.get("environmentId").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(Refusal::bad("A deployment with code needs an environment: give properties.environmentId."));
        }
        let variables = properties.get("environmentVariables").and_then(Value::as_object).into_iter().flatten();
        let variables = variables.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        Ok(Some(Self { code: code.to_owned(), script: script.to_owned(), variables: variables.collect() }))
    }
}

impl Online {
    /// Checks that what a deployment names is there, and tells it in words.
    pub(super) fn check_serving(&self, workspace: &str, properties: &Map<String, Value>) -> Result<String, Refusal> {
        let there = |uri: &str| {
            let known = self.jobs().resolve(workspace, uri);
            known.map_err(|error| Refusal { status: 404, code: "ResourceNotFound", message: error.to_string() })
        };
        let code = Code::read(properties)?;
        let model = properties.get("model").and_then(Value::as_str);
        if let Some(code) = &code {
            there(&code.code)?;
        }
        match (model, code) {
            (Some(model), _) => there(model).map(|_| format!("the model {model}")),
            (None, Some(code)) => Ok(format!("the code {}", code.code)),
            (None, None) => Err(Refusal::bad("The deployment names no model: give properties.model.")),
        }
    }

    /// Loads what a deployment serves; a model's place is told, for it to be loaded again.
    pub(super) fn load(
        &self,
        workspace: &str,
        endpoint: &str,
        deployment: &str,
        properties: &Map<String, Value>,
    ) -> Result<(Serving, Option<Location>), String> {
        let model = properties.get("model").and_then(Value::as_str);
        let place = |uri: &str| self.jobs().resolve(workspace, uri).map(|found| found.place).map_err(|e| e.to_string());
        let folder = model.map(place).transpose()?;
        match Code::read(properties).map_err(|refusal| refusal.message)? {
            Some(code) => {
                let files = place(&code.code)?;
                let serving = self.start(workspace, endpoint, deployment, &code, &files, model.zip(folder.as_ref()))?;
                Ok((serving, folder))
            }
            None => {
                let folder = folder.ok_or_else(|| "it names no model".to_owned())?;
                let model = mlflow_model::load(self.jobs().ground(), &folder).map_err(|error| error.to_string())?;
                Ok((Serving::Model(Arc::new(model)), Some(folder)))
            }
        }
    }

    /// Serves again what was served before a restart: the model from where it lay, whatever became of its version.
    pub(super) fn load_again(
        &self,
        workspace: &str,
        endpoint: &str,
        deployment: &str,
        properties: &Map<String, Value>,
        folder: &Location,
    ) -> Result<Serving, String> {
        match Code::read(properties).map_err(|refusal| refusal.message)? {
            Some(_) => self.load(workspace, endpoint, deployment, properties).map(|(serving, _)| serving),
            None => {
                let model = mlflow_model::load(self.jobs().ground(), folder).map_err(|error| error.to_string())?;
                Ok(Serving::Model(Arc::new(model)))
            }
        }
    }

    fn start(
        &self,
        workspace: &str,
        endpoint: &str,
        deployment: &str,
        code: &Code,
        files: &Location,
        model: Option<(&str, &Location)>,
    ) -> Result<Serving, String> {
        let ground = self.jobs().ground();
        // As Azure lays it: the model's name and version, and below them the file or folder that was registered.
        let parts: Vec<&str> = model.map_or("", |(id, _)| id).split('/').collect();
        let below = match parts.as_slice() {
            [.., name, "versions", version] => format!("{name}/{version}"),
            _ => "model/1".to_owned(),
        };
        let io = |error: std::io::Error| format!("its files could not be written: {error}");
        let folder = Folder::new(&below).map_err(io)?;
        let copied = Folder::copy(ground, files, &folder.code()).map_err(io)?;
        if copied == 0 || !folder.code().join(&code.script).is_file() {
            return Err(format!("the code has {copied} files and no {}: check scoringScript", code.script));
        }
        if let Some((_, place)) = model {
            let to = match ground.read(place) {
                Some(_) => folder.model().to_owned(),
                None => folder.model().join(place.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()),
            };
            std::fs::create_dir_all(&to).map_err(io)?;
            Folder::copy(ground, place, &to).map_err(io)?;
        }
        let launch = Launch {
            folder,
            script: code.script.clone(),
            variables: code.variables.clone(),
            log: self.log_of(workspace, endpoint, deployment),
        };
        let container = Container::start(launch).map_err(|error| error.to_string())?;
        Ok(Serving::Code(Arc::new(container)))
    }

    /// Writes lines into a deployment's log, as long as it is there.
    fn log_of(&self, workspace: &str, endpoint: &str, deployment: &str) -> Log {
        let weak = self.downgrade();
        let (workspace, endpoint, key) = (workspace.to_owned(), endpoint.to_owned(), deployment.to_ascii_lowercase());
        Arc::new(move |line| {
            let Some(online) = weak.upgrade() else { return };
            let now = online.jobs().ground().now();
            online.log(&workspace, &endpoint, &key, now, line);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn code_needs_a_script_and_an_environment() {
        let read = |properties: Value| Code::read(properties.as_object().unwrap());
        assert_eq!(read(json!({"codeConfiguration": null})), Ok(None));
        let whole = json!({"codeConfiguration": {"codeId": "c", "scoringScript": "score.py"}, "environmentId": "e",
            "environmentVariables": {"A": "b"}});
        assert_eq!(read(whole.clone()).unwrap().unwrap().variables, [("A".to_owned(), "b".to_owned())]);
        for (field, word) in [("scoringScript", "scoringScript"), ("codeId", "codeId")] {
            let mut body = whole.clone();
            body["codeConfiguration"][field] = Value::Null;
            assert!(read(body).unwrap_err().message.contains(word));
        }
        let mut body = whole;
        body["environmentId"] = Value::Null;
        assert!(read(body).unwrap_err().message.contains("environmentId"));
    }
}
