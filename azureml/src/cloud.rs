//! The Azure clouds: hosts and audiences. They are the operator's configuration, never a custom resource's: a tenant
//! who could name a host could have tokens sent to it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::{Position, Url};

/// The api-version of Microsoft.MachineLearningServices that is spoken, unless a cloud's file says otherwise.
pub const API_VERSION: &str = "2025-12-01";

/// A cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cloud {
    /// Its name.
    pub name: String,
    /// Azure Resource Manager.
    pub resource_manager: String,
    /// The audience of its tokens.
    pub resource_manager_audience: String,
    /// Entra ID.
    pub authority: String,
    /// The audience of Azure ML's data plane.
    pub ml_audience: String,
    /// The audience of blob storage.
    pub storage_audience: String,
    /// A storage account's blob endpoint; `{account}` stands for the account's name.
    pub blob_endpoint: String,
    /// Queries over Application Insights.
    pub application_insights: String,
    /// The audience of those.
    pub application_insights_audience: String,
    /// Queries over Log Analytics.
    pub log_analytics: String,
    /// The audience of those.
    pub log_analytics_audience: String,
    /// The studio.
    pub studio: String,
    /// Certificate authorities trusted beside the system's (a PEM file).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The hosts (`host` or `host:port`; with a leading dot: any subdomain) that addresses in Azure's answers may name.
    pub hosts: Vec<String>,
    /// Where managed identities get their tokens, for tests; absent: the instance metadata service, 169.254.169.254.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imds: Option<Url>,
    /// The api-version of Azure ML; sovereign clouds may lag behind the public one.
    #[serde(default = "api_version")]
    pub api_version: String,
}

fn api_version() -> String {
    API_VERSION.to_owned()
}

/// The file that describes a custom cloud can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// It can't be read.
    #[error("the cloud file {0} can't be read: {1}")]
    Read(PathBuf, std::io::Error),
    /// It is not as expected.
    #[error("the cloud file {0} is not valid: {1}")]
    Invalid(PathBuf, String),
}

impl Cloud {
    /// Azure.
    #[must_use]
    pub fn public() -> Self {
        Self::known(
            "public",
            "https://management.azure.com",
            "https://login.microsoftonline.com",
            "https://ml.azure.com",
            "core.windows.net",
            "azure.com",
            // The last is where registries' own front ends are.
            &[
                "management.azure.com",
                ".azureml.ms",
                ".inference.ml.azure.com",
                ".core.windows.net",
                ".experiments.azureml.net",
            ],
        )
    }

    /// Azure Government.
    #[must_use]
    pub fn us_government() -> Self {
        Self::known(
            "usgovernment",
            "https://management.usgovcloudapi.net",
            "https://login.microsoftonline.us",
            "https://ml.azure.us",
            "core.usgovcloudapi.net",
            "azure.us",
            &["management.usgovcloudapi.net", ".api.ml.azure.us", ".inference.ml.azure.us", ".core.usgovcloudapi.net"],
        )
    }

    /// Azure operated by 21Vianet.
    #[must_use]
    pub fn china() -> Self {
        Self::known(
            "china",
            "https://management.chinacloudapi.cn",
            "https://login.chinacloudapi.cn",
            "https://ml.azure.cn",
            "core.chinacloudapi.cn",
            "azure.cn",
            &["management.chinacloudapi.cn", ".api.ml.azure.cn", ".inference.ml.azure.cn", ".core.chinacloudapi.cn"],
        )
    }

    fn known(
        name: &str,
        manager: &str,
        authority: &str,
        ml: &str,
        storage_suffix: &str,
        monitor: &str,
        hosts: &[&str],
    ) -> Self {
        let (insights, analytics) = if monitor == "azure.com" {
            ("https://api.applicationinsights.io".to_owned(), "https://api.loganalytics.io".to_owned())
        } else {
            (format!("https://api.applicationinsights.{monitor}"), format!("https://api.loganalytics.{monitor}"))
        };
        Self {
            name: name.to_owned(),
            resource_manager: manager.to_owned(),
            resource_manager_audience: manager.to_owned(),
            authority: authority.to_owned(),
            ml_audience: ml.to_owned(),
            storage_audience: "https://storage.azure.com".to_owned(),
            blob_endpoint: format!("https://{{account}}.blob.{storage_suffix}"),
            application_insights_audience: insights.clone(),
            application_insights: insights,
            log_analytics_audience: analytics.clone(),
            log_analytics: analytics,
            studio: ml.to_owned(),
            ca_file: None,
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            api_version: api_version(),
            imds: None,
        }
    }

    /// A custom cloud from a YAML file.
    ///
    /// # Errors
    /// When the file can't be read or is not as expected.
    pub fn from_file(path: &Path) -> Result<Self, CloudError> {
        let text = std::fs::read_to_string(path).map_err(|error| CloudError::Read(path.to_owned(), error))?;
        let cloud: Self =
            serde_saphyr::from_str(&text).map_err(|error| CloudError::Invalid(path.to_owned(), error.to_string()))?;
        match cloud.fault() {
            Some(fault) => Err(CloudError::Invalid(path.to_owned(), fault)),
            None => Ok(cloud),
        }
    }

    /// What makes it unusable: tokens and keys are sent to these addresses.
    fn fault(&self) -> Option<String> {
        let addresses = [
            ("resourceManager", &self.resource_manager),
            ("authority", &self.authority),
            ("blobEndpoint", &self.blob("account")),
            ("applicationInsights", &self.application_insights),
            ("logAnalytics", &self.log_analytics),
        ];
        let wrong = addresses
            .iter()
            .find(|(_, text)| !Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.has_host()));
        wrong.map(|(field, text)| format!("{field} is {text:?}; write an https address"))
    }

    /// Whether an address in an answer may be followed: https, and inside this cloud.
    #[must_use]
    pub fn trusts(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        if url.scheme() != "https" || !url.username().is_empty() || url.password().is_some() {
            return false;
        }
        let with_port = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        self.hosts.iter().any(|allowed| match allowed.strip_prefix('.') {
            Some(_) => url.port().is_none() && host.ends_with(allowed.as_str()),
            None => *allowed == with_port,
        })
    }

    /// The hosts (`host` or `host:port`) by which others may call this cloud's Entra ID: its own, and, where it stands
    /// in front of a cloud that is known by name, that one's.
    pub(crate) fn authority_hosts(&self) -> Vec<String> {
        let known = self.kin().into_iter().flat_map(|cloud| {
            let older: &[&str] =
                if cloud.name == "china" { &["https://login.partner.microsoftonline.cn"] } else { &[] };
            [cloud.authority].into_iter().chain(older.iter().map(|&text| text.to_owned()))
        });
        std::iter::once(self.authority.clone()).chain(known).filter_map(|text| host(&text)).collect()
    }

    /// The same of its Azure Resource Manager.
    pub(crate) fn resource_manager_hosts(&self) -> Vec<String> {
        let known = self.kin().into_iter().map(|cloud| cloud.resource_manager);
        std::iter::once(self.resource_manager.clone()).chain(known).filter_map(|text| host(&text)).collect()
    }

    /// The cloud that is known by name and takes the same tokens.
    fn kin(&self) -> Option<Self> {
        let known = [Self::public(), Self::us_government(), Self::china()];
        known.into_iter().find(|cloud| cloud.resource_manager_audience == self.resource_manager_audience)
    }

    /// A storage account's blob endpoint.
    #[must_use]
    pub fn blob(&self, account: &str) -> String {
        self.blob_endpoint.replace("{account}", account)
    }
}

/// `host` or `host:port` of an address.
fn host(text: &str) -> Option<String> {
    Url::parse(text).ok().map(|url| url[Position::BeforeHost..Position::AfterPort].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUSTOM: &str = "
name: emulator
resourceManager: https://127.0.0.1:8443
resourceManagerAudience: https://management.azure.com
authority: https://127.0.0.1:8443
mlAudience: https://ml.azure.com
storageAudience: https://storage.azure.com
blobEndpoint: https://127.0.0.1:8443/blob/{account}
applicationInsights: https://127.0.0.1:8443/applicationinsights
applicationInsightsAudience: https://api.applicationinsights.io
logAnalytics: https://127.0.0.1:8443/loganalytics
logAnalyticsAudience: https://api.loganalytics.io
studio: https://127.0.0.1:8443/studio
caFile: /tmp/ca.pem
hosts: ['127.0.0.1:8443']
";

    fn read(text: &str) -> Result<Cloud, CloudError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Cloud::from_file(file.path())
    }

    #[test]
    fn a_custom_cloud_is_read_from_a_file() {
        let cloud = read(CUSTOM).unwrap();
        assert_eq!(cloud.blob("acct"), "https://127.0.0.1:8443/blob/acct");
        assert_eq!(cloud.api_version, API_VERSION);
        assert!(cloud.trusts(&Url::parse("https://127.0.0.1:8443/x").unwrap()));
        assert!(!cloud.trusts(&Url::parse("https://127.0.0.1/x").unwrap()));
        assert!(!cloud.trusts(&Url::parse("https://127.0.0.1:8444/x").unwrap()));
    }

    #[test]
    fn a_faulty_file_is_refused_with_its_field() {
        for (from, to, text) in [
            ("resourceManager: https", "resourceManager: http", "resourceManager"),
            ("authority: https://127.0.0.1:8443", "authority: nowhere", "authority"),
            ("mlAudience:", "mlAudince:", "mlAud"),
        ] {
            let error = read(&CUSTOM.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    /// The table of clouds in azure-ai-ml's `_azure_environments.py`.
    #[test]
    fn each_cloud_has_its_hosts_and_audiences() {
        for (cloud, manager, authority, ml, storage, api, scoring) in [
            (
                Cloud::public(),
                "management.azure.com",
                "login.microsoftonline.com",
                "ml.azure.com",
                "core.windows.net",
                "westeurope.api.azureml.ms",
                "e.westeurope.inference.ml.azure.com",
            ),
            (
                Cloud::us_government(),
                "management.usgovcloudapi.net",
                "login.microsoftonline.us",
                "ml.azure.us",
                "core.usgovcloudapi.net",
                "usgovvirginia.api.ml.azure.us",
                "e.usgovvirginia.inference.ml.azure.us",
            ),
            (
                Cloud::china(),
                "management.chinacloudapi.cn",
                "login.chinacloudapi.cn",
                "ml.azure.cn",
                "core.chinacloudapi.cn",
                "chinaeast2.api.ml.azure.cn",
                "e.chinaeast2.inference.ml.azure.cn",
            ),
        ] {
            let name = cloud.name.clone();
            let https = |host: &str| format!("https://{host}");
            assert_eq!(cloud.resource_manager, https(manager), "{name}");
            assert_eq!(cloud.resource_manager_audience, https(manager), "{name}: the scope is the host with /.default");
            assert_eq!((&cloud.authority, &cloud.ml_audience), (&https(authority), &https(ml)), "{name}");
            assert_eq!(cloud.blob("acct"), format!("https://acct.blob.{storage}"), "{name}");
            assert_eq!(cloud.storage_audience, "https://storage.azure.com", "{name}");
            assert_eq!(cloud.fault(), None, "{name}");
            let blob = format!("acct.blob.{storage}");
            for host in [manager, &blob, api, scoring] {
                assert!(cloud.trusts(&Url::parse(&https(host)).unwrap()), "{name} {host}");
            }
        }
    }

    #[test]
    fn no_cloud_trusts_another_clouds_addresses() {
        let all = [Cloud::public(), Cloud::us_government(), Cloud::china()];
        for one in &all {
            for other in all.iter().filter(|other| other.name != one.name) {
                for text in [&other.resource_manager, &other.authority, &other.blob("acct")] {
                    assert!(!one.trusts(&Url::parse(text).unwrap()), "{} trusts {text}", one.name);
                }
            }
        }
    }

    #[test]
    fn only_https_inside_the_cloud_is_trusted() {
        let cloud = Cloud::public();
        for (url, trusted) in [
            ("https://management.azure.com/subscriptions/x", true),
            ("https://westeurope.api.azureml.ms/discovery", true),
            ("https://e.westeurope.inference.ml.azure.com/score", true),
            ("http://management.azure.com/x", false),
            ("https://management.azure.com:444/x", false),
            ("https://management.azure.com.example.org/x", false),
            ("https://evilazureml.ms/x", false),
            ("https://user@management.azure.com/x", false),
            ("https://management.usgovcloudapi.net/x", false),
        ] {
            assert_eq!(cloud.trusts(&Url::parse(url).unwrap()), trusted, "{url}");
        }
    }
}
