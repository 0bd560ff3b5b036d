//! What clients have to be told to come here instead of to Azure: environment variables, and descriptions of a cloud.

use crate::entra;
use serde_json::{Value, json};
use std::path::Path;

/// The name under which clients know this cloud.
pub const CLOUD: &str = "AzureEmulator";

/// Where an emulator is, and for what a client wants it.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// `https://` and the authority.
    pub url: String,
    /// File with the authority to trust.
    pub ca_file: String,
    /// ARM id of a workspace, for MLflow.
    pub workspace: Option<String>,
    /// Tenant, client id and secret to sign in with.
    pub principal: Option<[String; 3]>,
}

/// The environment variables that Azure's SDKs, MLflow, `requests`, curl and OpenSSL read.
pub fn variables(target: &Target) -> Vec<(&'static str, String)> {
    let Target { url, ca_file, workspace, principal } = target;
    let mut all = vec![
        ("AZURE_AUTHORITY_HOST", url.clone()),
        ("AZUREML_CURRENT_CLOUD", CLOUD.to_owned()),
        ("ARM_CLOUD_METADATA_URL", format!("{url}/metadata/endpoints?api-version=2019-05-01")),
        ("REQUESTS_CA_BUNDLE", ca_file.clone()),
        ("CURL_CA_BUNDLE", ca_file.clone()),
        ("SSL_CERT_FILE", ca_file.clone()),
    ];
    if let Some(workspace) = workspace {
        let tracking = url.replacen("https://", "azureml://", 1);
        all.push(("MLFLOW_TRACKING_URI", format!("{tracking}/mlflow/v1.0{workspace}")));
        // The names that Azure ML itself gives to jobs.
        let part = |at: usize| workspace.split('/').nth(at).unwrap_or_default().to_owned();
        all.push(("AZUREML_ARM_SUBSCRIPTION", part(2)));
        all.push(("AZUREML_ARM_RESOURCEGROUP", part(4)));
        all.push(("AZUREML_ARM_WORKSPACE_NAME", part(8)));
    }
    if let Some([tenant, client, secret]) = principal {
        all.push(("AZURE_TENANT_ID", tenant.clone()));
        all.push(("AZURE_CLIENT_ID", client.clone()));
        all.push(("AZURE_CLIENT_SECRET", secret.clone()));
    }
    all
}

/// Variables as a shell reads them.
pub fn shell(variables: &[(&'static str, String)]) -> String {
    let quoted = |value: &str| format!("'{}'", value.replace('\'', r"'\''"));
    variables.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value))).collect()
}

/// This cloud as the operator's `--cloud-file` describes a cloud.
pub fn cloud_file(url: &str, ca_file: &Path) -> Value {
    let host = url.trim_start_matches("https://");
    json!({
        "name": "emulator",
        "resourceManager": url,
        "resourceManagerAudience": entra::ARM,
        "authority": url,
        "mlAudience": entra::ML,
        "storageAudience": entra::STORAGE,
        "blobEndpoint": format!("{url}/blob/{{account}}"),
        "applicationInsights": format!("{url}/applicationinsights"),
        "applicationInsightsAudience": entra::APPLICATION_INSIGHTS,
        "logAnalytics": format!("{url}/loganalytics"),
        "logAnalyticsAudience": entra::LOG_ANALYTICS,
        "studio": format!("{url}/studio"),
        "caFile": ca_file,
        "hosts": [host],
        "imds": url,
    })
}

/// What Azure Resource Manager tells of itself at `/metadata/endpoints` (api-version 2019-05-01), by which Azure's own
/// clients learn of a cloud.
pub(crate) fn endpoints(url: &str, storage_suffix: &str) -> Value {
    json!([{
        "name": CLOUD,
        // Clients make the audience of Azure ML of this name's ending.
        "portal": "https://portal.azure.com/",
        "resourceManager": url,
        "authentication": {
            "loginEndpoint": url, "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common", "identityProvider": "AAD",
        },
        "suffixes": {"storage": storage_suffix, "keyVaultDns": "vault.azure.net"},
        "graph": "https://graph.microsoft.com/", "graphAudience": "https://graph.microsoft.com/",
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_written_as_a_shell_reads_them() {
        let target = Target {
            url: "https://127.0.0.1:8443".into(),
            ca_file: "/tmp/it's/ca.pem".into(),
            workspace: Some("/subscriptions/s/x".into()),
            principal: None,
        };
        let text = shell(&variables(&target));
        assert!(text.contains("export AZURE_AUTHORITY_HOST='https://127.0.0.1:8443'\n"), "{text}");
        assert!(text.contains(r"export REQUESTS_CA_BUNDLE='/tmp/it'\''s/ca.pem'"), "{text}");
        assert!(
            text.contains("MLFLOW_TRACKING_URI='azureml://127.0.0.1:8443/mlflow/v1.0/subscriptions/s/x'"),
            "{text}"
        );
        assert!(!text.contains("AZURE_CLIENT_SECRET"), "{text}");
    }
}
