//! CEL rules that several kinds share, with the messages a person reads when one refuses an object.
//!
//! Patterns are RE2's: no lookahead.

use kube::core::Rule;

/// Azure's rule for names of data assets, models, components, environments, jobs and datastores.
pub const ASSET_NAME: &str = "^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$";
/// Azure's rule for names of workspaces.
pub const WORKSPACE_NAME: &str = "^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$";
/// Azure's rule for names of computes; they must not end in `-` and digits either.
pub const COMPUTE_NAME: &str = "^[a-zA-Z][a-zA-Z0-9-]{2,23}$";
/// Azure's rule for names of endpoints and deployments.
pub const ENDPOINT_NAME: &str = "^[a-zA-Z][-a-zA-Z0-9]{1,30}[a-zA-Z0-9]$";
/// Kubernetes' rule for names of objects: no slash, so that no name is a path to another namespace's.
pub const OBJECT_NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A GUID.
pub const GUID: &str = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$";
/// A decimal number, written as text so that no digit is lost.
pub const DECIMAL: &str = r"^-?[0-9]+(\.[0-9]+)?$";
/// A decimal number that is not negative.
pub const POSITIVE_DECIMAL: &str = r"^[0-9]+(\.[0-9]+)?$";
/// A share between 0 and 1, written as text.
pub const SHARE: &str = r"^0\.[0-9]*[1-9][0-9]*$";
/// The name of an input, a parameter, a step or an output of a pipeline.
pub const PIPELINE_NAME: &str = "^[a-z][a-z0-9_]*$";
/// An input of the pipeline, or `<step>.<output>`.
pub const PIPELINE_DATA: &str = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$";
/// A version of an asset, `azureml:<name>:<version>`.
pub const ASSET_VERSION: &str = "^azureml:[a-zA-Z0-9][a-zA-Z0-9_-]*:[a-zA-Z0-9][a-zA-Z0-9_-]*$";
/// An environment: `azureml:<name>:<version>`, `azureml:<name>@latest`, or one of a registry.
pub const ENVIRONMENT: &str =
    "^(azureml:[a-zA-Z0-9][a-zA-Z0-9_-]*(:[a-zA-Z0-9][a-zA-Z0-9_.-]*|@latest)|azureml://registries/[^ ]+)$";
/// The name of an environment variable.
pub const VARIABLE: &str = "^[a-zA-Z_][a-zA-Z0-9_]*$";

const ASSET_WORDS: &str = "1 to 255 letters, digits, - and _, with no dot";
const WORKSPACE_WORDS: &str = "3 to 33 letters, digits, - and _, with no dot";
const COMPUTE_WORDS: &str = "3 to 24 letters, digits and -, a letter first, not ending in - and digits";
const ENDPOINT_WORDS: &str = "3 to 32 letters, digits and -, a letter first and no - last";

fn metadata_name(condition: &str, thing: &str, words: &str) -> Rule {
    Rule::new(format!("has(self.spec.azureName) || ({condition})")).message(
        format!(
            "metadata.name can't be the {thing}'s name in Azure, which has {words}: write that name in spec.azureName"
        )
        .as_str(),
    )
}

fn azure_name(condition: &str, thing: &str, words: &str) -> Rule {
    Rule::new(condition).message(format!("the {thing}'s name in Azure has {words}").as_str())
}

/// Root rule: without `azureName`, `metadata.name` follows Azure's rule for `thing`, a data asset or a model.
#[must_use]
pub fn asset_metadata_name(thing: &str) -> Rule {
    metadata_name(&format!("self.metadata.name.matches('{ASSET_NAME}')"), thing, ASSET_WORDS)
}

/// `azureName` of a data asset or a model.
#[must_use]
pub fn asset_name(thing: &str) -> Rule {
    azure_name(&format!("self.matches('{ASSET_NAME}')"), thing, ASSET_WORDS)
}

/// Root rule: without `azureName`, `metadata.name` follows Azure's rule for workspaces.
#[must_use]
pub fn workspace_metadata_name() -> Rule {
    metadata_name(&format!("self.metadata.name.matches('{WORKSPACE_NAME}')"), "workspace", WORKSPACE_WORDS)
}

/// `azureName` of a workspace.
#[must_use]
pub fn workspace_name() -> Rule {
    azure_name(&format!("self.matches('{WORKSPACE_NAME}')"), "workspace", WORKSPACE_WORDS)
}

/// Root rule: without `azureName`, `metadata.name` follows Azure's rule for computes.
#[must_use]
pub fn compute_metadata_name() -> Rule {
    metadata_name(
        &format!("self.metadata.name.matches('{COMPUTE_NAME}') && !self.metadata.name.matches('-[0-9]+$')"),
        "cluster",
        COMPUTE_WORDS,
    )
}

/// `azureName` of a compute.
#[must_use]
pub fn compute_name() -> Rule {
    azure_name(&format!("self.matches('{COMPUTE_NAME}') && !self.matches('-[0-9]+$')"), "cluster", COMPUTE_WORDS)
}

/// Root rule: without `azureName`, `metadata.name` follows Azure's rule for endpoints.
#[must_use]
pub fn endpoint_metadata_name() -> Rule {
    metadata_name(&format!("self.metadata.name.matches('{ENDPOINT_NAME}')"), "endpoint", ENDPOINT_WORDS)
}

/// The name of an endpoint.
#[must_use]
pub fn endpoint_name() -> Rule {
    azure_name(&format!("self.matches('{ENDPOINT_NAME}')"), "endpoint", ENDPOINT_WORDS)
}

/// On `spec`: a field, required or not, keeps its value, and is neither added nor removed.
///
/// A transition rule on the field itself would not see it added or removed.
#[must_use]
pub fn immutable(field: &str, instead: &str) -> Rule {
    Rule::new(format!(
        "has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    ))
    .message(format!("spec.{field} is immutable: {instead}").as_str())
}

/// Exactly one of the fields is written.
#[must_use]
pub fn exactly_one(fields: &[&str], message: &str) -> Rule {
    let counts: Vec<String> = fields.iter().map(|field| format!("(has(self.{field}) ? 1 : 0)")).collect();
    Rule::new(format!("{} == 1", counts.join(" + "))).message(message)
}

/// One of the fields is written at most.
#[must_use]
pub fn at_most_one(fields: &[&str], message: &str) -> Rule {
    let counts: Vec<String> = fields.iter().map(|field| format!("(has(self.{field}) ? 1 : 0)")).collect();
    Rule::new(format!("{} <= 1", counts.join(" + "))).message(message)
}

/// AutoML counts in minutes.
#[must_use]
pub fn whole_minutes() -> Rule {
    Rule::new("!self.endsWith('s') && self.matches('[1-9]')")
        .message("AutoML's limits are whole minutes, at least one: write it like 30m or 1h30m")
}

/// A version of an asset.
#[must_use]
pub fn version() -> Rule {
    Rule::new(format!("self.matches('{ASSET_NAME}')"))
        .message("a version in Azure ML has 1 to 255 letters, digits, - and _, with no dot: write 1-2 rather than 1.2")
}

/// The name of something that steps refer to.
#[must_use]
pub fn pipeline_name() -> Rule {
    Rule::new(format!("self.matches('{PIPELINE_NAME}')"))
        .message("names in a pipeline have small letters, digits and _, a letter first: write train_model rather than Train-Model")
}
