//! An environment that a step describes in place.

use azureml::resources::environments::{EnvironmentVersion, EnvironmentVersionProperties};
use azureml_crds::pipeline::InlineEnvironment;
use azureml_crds::reasons;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::context::Context;
use crate::error::{Error, Halt};

/// The name of environments without one, as Azure's own clients name them (azure-ai-ml, `ANONYMOUS_ENV_NAME`).
const ANONYMOUS: &str = "CliV2AnonymousEnvironment";

/// An environment: an image, and packages that are put on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inline {
    /// The image.
    pub image: String,
    /// The conda file's text.
    pub conda: Option<String>,
}

impl Inline {
    /// Its version follows from what is in it.
    #[must_use]
    pub fn version(&self) -> String {
        let content = json!([self.image, self.conda]).to_string();
        data_encoding::HEXLOWER.encode(&Sha256::digest(content)).chars().take(40).collect()
    }

    /// The name under which it is registered.
    #[must_use]
    pub fn name() -> &'static str {
        ANONYMOUS
    }

    /// The environment version below the workspace.
    #[must_use]
    pub fn path(&self) -> String {
        format!("environments/{ANONYMOUS}/versions/{}", self.version())
    }

    /// The version's body.
    #[must_use]
    pub fn body(&self) -> EnvironmentVersion {
        EnvironmentVersion {
            properties: EnvironmentVersionProperties {
                image: Some(self.image.clone()),
                conda_file: self.conda.clone(),
                os_type: Some("Linux".to_owned()),
                is_anonymous: true,
                ..EnvironmentVersionProperties::default()
            },
            ..EnvironmentVersion::default()
        }
    }
}

/// Reads the conda file that an environment names.
///
/// # Errors
/// A halt that waits for the ConfigMap or its key.
pub async fn inline(
    context: &Context,
    namespace: &str,
    step: &str,
    described: &InlineEnvironment,
) -> Result<Inline, Error> {
    let Some(reference) = &described.conda else {
        return Ok(Inline { image: described.image.clone(), conda: None });
    };
    let field = format!("spec.steps[{step}].command.inlineEnvironment.conda");
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), namespace);
    let map = api.get_opt(&reference.name).await?.ok_or_else(|| missing_map(&field, &reference.name, namespace))?;
    let conda = map.data.unwrap_or_default().remove(&reference.key).ok_or_else(|| {
        Halt::wait(
            reasons::CONFIG_MAP_NOT_FOUND,
            format!(
                "{field} names the key {:?}, which ConfigMap {:?} does not have. Add it, or correct the key.",
                reference.key, reference.name
            ),
        )
    })?;
    Ok(Inline { image: described.image.clone(), conda: Some(conda) })
}

/// A ConfigMap that is not there.
pub(super) fn missing_map(field: &str, name: &str, namespace: &str) -> Halt {
    Halt::wait(
        reasons::CONFIG_MAP_NOT_FOUND,
        format!(
            "{field} names ConfigMap {name:?}, which does not exist in namespace {namespace:?}. Apply it, or correct the name."
        ),
    )
}
