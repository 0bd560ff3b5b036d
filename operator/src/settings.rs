//! The operator's configuration: flags, each also an environment variable `AZUREML_OPERATOR_<FLAG>`.
//!
//! Every interval is here, so that a test can scale all of them down together.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A Kubernetes operator for Azure Machine Learning.
#[derive(Debug, Parser)]
#[command(name = "azureml-operator", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of the binary.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controllers.
    Run(Box<Settings>),
}

/// How the operator runs.
#[derive(Clone, Debug, Args)]
pub struct Settings {
    /// The installation's name, kept in Git: part of what owns an object in Azure. A cluster rebuilt with the same
    /// name finds its objects again; two live clusters must have different names.
    #[arg(long, env = "AZUREML_OPERATOR_INSTALLATION")]
    pub installation: String,

    /// Watch only these namespaces (absent: all).
    #[arg(long, env = "AZUREML_OPERATOR_NAMESPACES", value_delimiter = ',')]
    pub namespaces: Vec<String>,

    /// The Azure cloud.
    #[arg(long, env = "AZUREML_OPERATOR_CLOUD", value_enum, default_value = "public")]
    pub cloud: CloudName,

    /// A YAML file that describes a custom cloud (hosts, audiences, certificate authority); overrides --cloud.
    #[arg(long, env = "AZUREML_OPERATOR_CLOUD_FILE")]
    pub cloud_file: Option<PathBuf>,

    /// How often an object at rest is looked at again: mostly in lists that all objects of a workspace share.
    #[arg(long, env = "AZUREML_OPERATOR_RESYNC", default_value = "1h", value_parser = duration)]
    pub resync: Duration,

    /// How often what lists don't tell is looked at though nothing points to a change: tags of versions, keys of
    /// endpoints. Each object has a moment of its own in this time.
    #[arg(long, env = "AZUREML_OPERATOR_FULL_LOOK", default_value = "24h", value_parser = duration)]
    pub full_look: Duration,

    /// How often Azure is asked what a workspace lacks (registration, roles, quota), unless something was missing.
    #[arg(long, env = "AZUREML_OPERATOR_DIAGNOSE_INTERVAL", default_value = "1h", value_parser = duration)]
    pub diagnose_interval: Duration,

    /// How often work in flight is looked at where Azure names no time itself.
    #[arg(long, env = "AZUREML_OPERATOR_POLL", default_value = "10s", value_parser = duration)]
    pub poll: Duration,

    /// How often Azure is asked for runs that schedules and published addresses started there: one list a workspace.
    #[arg(long, env = "AZUREML_OPERATOR_DISCOVER", default_value = "1m", value_parser = duration)]
    pub discover: Duration,

    /// How long Azure may take until a role assignment works; a role that is missing for longer is told as missing.
    #[arg(long, env = "AZUREML_OPERATOR_ROLE_PROPAGATION", default_value = "10m", value_parser = duration)]
    pub role_propagation: Duration,

    /// How often a stalled object is tried again.
    #[arg(long, env = "AZUREML_OPERATOR_STALLED_RETRY", default_value = "5m", value_parser = duration)]
    pub stalled_retry: Duration,

    /// The longest wait between two tries of what fails by itself.
    #[arg(long, env = "AZUREML_OPERATOR_MAX_BACKOFF", default_value = "1m", value_parser = duration)]
    pub max_backoff: Duration,

    /// The longest a single reconcile may take.
    #[arg(long, env = "AZUREML_OPERATOR_RECONCILE_TIMEOUT", default_value = "2m", value_parser = duration)]
    pub reconcile_timeout: Duration,

    /// The longest a single request to Azure may take.
    #[arg(long, env = "AZUREML_OPERATOR_REQUEST_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub request_timeout: Duration,

    /// How many objects of one kind are reconciled at the same time.
    #[arg(long, env = "AZUREML_OPERATOR_CONCURRENCY", default_value_t = 16)]
    pub concurrency: u16,

    /// Namespaces whose workspaces may use the operator's own managed identity (absent: none).
    #[arg(long, env = "AZUREML_OPERATOR_MANAGED_IDENTITY_NAMESPACES", value_delimiter = ',')]
    pub managed_identity_namespaces: Vec<String>,

    /// Elect a leader among replicas by a Lease.
    #[arg(long, env = "AZUREML_OPERATOR_LEADER_ELECT", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub leader_elect: bool,

    /// The namespace of the Lease (absent: the operator's own).
    #[arg(long, env = "AZUREML_OPERATOR_LEASE_NAMESPACE", default_value = "azureml-operator")]
    pub lease_namespace: String,

    /// The name of the Lease.
    #[arg(long, env = "AZUREML_OPERATOR_LEASE_NAME", default_value = "azureml-operator")]
    pub lease_name: String,

    /// How long a Lease is valid after its last renewal: the longest that nobody acts after a leader died. The leader
    /// renews it six times in that time, and writes nothing more once two thirds have passed without a renewal.
    #[arg(long, env = "AZUREML_OPERATOR_LEASE_DURATION", default_value = "30s", value_parser = duration)]
    pub lease_duration: Duration,

    /// Where health and metrics are served.
    #[arg(long, env = "AZUREML_OPERATOR_HTTP_LISTEN", default_value = "0.0.0.0:8080")]
    pub http_listen: String,

    /// What the operator may fetch on behalf of web datasets.
    #[command(flatten)]
    pub fetch: FetchSettings,

    /// How log lines look.
    #[arg(long, env = "AZUREML_OPERATOR_LOG_FORMAT", value_enum, default_value = "json")]
    pub log_format: LogFormat,

    /// What is logged: a level, or directives such as `info,azureml=debug`.
    #[arg(long, env = "AZUREML_OPERATOR_LOG", default_value = "info")]
    pub log: String,
}

/// What may be fetched for web datasets. The safe values are the ones given by default.
#[derive(Clone, Debug, Args)]
pub struct FetchSettings {
    /// The schemes that are fetched.
    #[arg(
        long = "fetch-schemes",
        env = "AZUREML_OPERATOR_FETCH_SCHEMES",
        value_enum,
        value_delimiter = ',',
        default_value = "https"
    )]
    pub schemes: Vec<Scheme>,

    /// The only hosts that may be fetched from (`name`, `name:port`, or `.suffix` for every name below); absent: every
    /// host whose address is public.
    #[arg(long = "fetch-hosts", env = "AZUREML_OPERATOR_FETCH_HOSTS", value_delimiter = ',')]
    pub hosts: Vec<String>,

    /// Hosts (`name` or `name:port`) that may be fetched from although their address is private or loopback.
    #[arg(long = "fetch-allow-hosts", env = "AZUREML_OPERATOR_FETCH_ALLOW_HOSTS", value_delimiter = ',')]
    pub allow_hosts: Vec<String>,

    /// Certificate authorities trusted beside the system's (a PEM file).
    #[arg(long = "fetch-ca-file", env = "AZUREML_OPERATOR_FETCH_CA_FILE")]
    pub ca_file: Option<PathBuf>,

    /// The largest file, in bytes.
    #[arg(long = "fetch-max-bytes", env = "AZUREML_OPERATOR_FETCH_MAX_BYTES", default_value_t = 2 * 1024 * 1024 * 1024)]
    pub max_bytes: u64,

    /// The longest a whole fetch may take.
    #[arg(long = "fetch-timeout", env = "AZUREML_OPERATOR_FETCH_TIMEOUT", default_value = "10m", value_parser = duration)]
    pub timeout: Duration,
}

/// A scheme of addresses that web datasets are fetched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scheme {
    /// Encrypted, and the server is proven.
    Https,
    /// Plain: whoever is on the way can change the data.
    Http,
}

impl Scheme {
    /// As an address begins.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }
}

/// The Azure clouds known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CloudName {
    /// Azure.
    Public,
    /// Azure Government (United States).
    Usgovernment,
    /// Azure operated by 21Vianet (China).
    China,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Durations on the command line are written as in the custom resources (`1h30m`, `10s`), and `250ms` besides.
fn duration(text: &str) -> Result<Duration, String> {
    let explain = || format!("{text:?} is not a duration: write it like 1h30m, 10s or 250ms");
    if let Some(milliseconds) = text.strip_suffix("ms") {
        return milliseconds.parse().map(Duration::from_millis).map_err(|_| explain());
    }
    let mut total = 0_u64;
    let mut number = String::new();
    for character in text.chars() {
        if character.is_ascii_digit() {
            number.push(character);
            continue;
        }
        let unit = match character {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return Err(explain()),
        };
        let count: u64 = number.parse().map_err(|_| explain())?;
        total = count.checked_mul(unit).and_then(|seconds| total.checked_add(seconds)).ok_or_else(explain)?;
        number.clear();
    }
    if text.is_empty() || !number.is_empty() { Err(explain()) } else { Ok(Duration::from_secs(total)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_the_custom_resources() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "10", "x", "1d", "s", "99999999999999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }
}
