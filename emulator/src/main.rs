//! The emulator binary.

use azureml_emulator::client_settings::{Target, cloud_file, shell, variables};
use azureml_emulator::estate_file::EstateFile;
use azureml_emulator::serve::{Settings, serve};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

const AFTER: &str = "\
Quick start:
  azureml-emulator serve --listen 127.0.0.1:8443 --estate estate.yaml --data-dir azureml-emulator-data
  eval \"$(azureml-emulator env --data-dir azureml-emulator-data --estate estate.yaml)\"   # in another shell: Azure's SDKs, MLflow and curl now come here
  open https://127.0.0.1:8443/_emulator/                # what it holds, faults, clock, requests

Everything is on one HTTPS port: Entra ID (/{tenant}/oauth2/v2.0/token), Azure Resource Manager (/subscriptions/...),
blob storage (/blob/{account}/...), run history, MLflow, scoring, log queries and instance metadata. Its certificate is
signed by an authority of its own, which clients have to trust. It is for tests and trying out: whoever reaches the port
can do everything by /_emulator/, so listen on 127.0.0.1 or in a network that you trust.";

/// Azure Machine Learning on one machine: what Azurite is for Azure Storage. It answers as Azure would, really trains
/// (AutoML on your data) and really serves the models that it trained.
#[derive(Parser)]
#[command(version, about, after_help = AFTER)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until it is ended.
    Serve(Serve),
    /// Prints what clients have to be told to come here instead of to Azure.
    Env(Env),
}

#[derive(Args)]
struct Serve {
    /// Address of the HTTPS port; port 0 takes a free one (see --ready-file).
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// YAML file that says what exists at the start: principals, workspaces, role assignments, computes, data. What is
    /// there already is left as it is.
    #[arg(long, value_name = "FILE")]
    estate: Option<PathBuf>,
    /// Folder in which all is kept, over restarts and crashes; without it, in memory alone. It holds secrets: its owner
    /// alone may read it. What was under way goes on at the next start. Not kept: faults, the log of requests, and rows
    /// and lines of deployments.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Folder of the certificate authority: ca.pem and ca.key are made there, or kept if present. By default tls in the
    /// data folder, or azureml-emulator-tls where there is none.
    #[arg(long, value_name = "FOLDER")]
    tls_dir: Option<PathBuf>,
    /// Written when it serves: a JSON object with url, caFile and pid.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// One more name or address that clients use for it, for its certificate; can be given more than once.
    #[arg(long, value_name = "NAME")]
    host_name: Vec<String>,
    /// Addresses of blobs that it hands out are https://ACCOUNT.blob.SUFFIX, as Azure's are, and not below its own:
    /// azure-ai-ml needs that, and a resolver that knows these names. Its port is added where there is none.
    #[arg(long, value_name = "SUFFIX")]
    storage_suffix: Option<String>,
    /// Whether it is quick, or as slow, late and mean as Azure is on a usual day: operations take minutes on its clock,
    /// requests are throttled, roles and lists come late. More can be set by POST /_emulator/manners.
    /// What was set last in --data-dir when it is not given, and quick at first.
    #[arg(long, value_enum)]
    manners: Option<Profile>,
    /// Throttles this subscription with Azure's token buckets, `*` all; can be given more than once.
    #[arg(long, value_name = "SUBSCRIPTION")]
    throttle: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Profile {
    Quick,
    Azure,
}

#[derive(Args)]
struct Env {
    /// The ready file of a running emulator, which says where it is.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Where it is, when there is no ready file.
    #[arg(long, default_value = "https://127.0.0.1:8443")]
    url: String,
    /// The authority to trust, when there is no ready file.
    #[arg(long, default_value = "azureml-emulator-tls/ca.pem", value_name = "FILE")]
    ca_file: PathBuf,
    /// The folder it was started with by --data-dir, which says where it is.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["ca_file", "url", "ready_file"])]
    data_dir: Option<PathBuf>,
    /// ARM id of the workspace for MLFLOW_TRACKING_URI; the first of --estate when not given.
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
    /// The YAML file that it was started with: adds AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET.
    #[arg(long, value_name = "FILE")]
    estate: Option<PathBuf>,
    /// Which principal of --estate to sign in as; the first that has a secret when not given.
    #[arg(long, value_name = "NAME", requires = "estate")]
    principal: Option<String>,
    /// For whom to print.
    #[arg(long, value_enum, default_value = "shell")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines of export, for eval.
    Shell,
    /// One JSON object of variables.
    Json,
    /// What azureml-operator takes by --cloud-file.
    CloudFile,
}

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve(arguments) => run(arguments).await,
        Command::Env(arguments) => env(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("azureml-emulator: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The profile, and who is throttled beside; nothing of what was not said.
fn manners(profile: Option<Profile>, throttled: &[String]) -> serde_json::Value {
    let mut patch = serde_json::json!({});
    if let Some(profile) = profile {
        patch["profile"] = serde_json::Value::from(if profile == Profile::Azure { "azure" } else { "quick" });
    }
    for subscription in throttled {
        patch["throttling"]["subscriptions"][subscription.as_str()] = serde_json::json!({});
    }
    patch
}

async fn run(arguments: Serve) -> Result<(), Failure> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_ansi(false).with_env_filter(filter).with_writer(std::io::stderr).init();
    let by_default = arguments.data_dir.as_ref().map_or_else(|| "azureml-emulator-tls".into(), |data| data.join("tls"));
    let settings = Settings {
        listen: arguments.listen,
        data_dir: arguments.data_dir,
        tls_dir: arguments.tls_dir.unwrap_or(by_default),
        estate: arguments.estate,
        ready_file: arguments.ready_file,
        host_names: arguments.host_name,
        storage_suffix: arguments.storage_suffix,
        manners: manners(arguments.manners, &arguments.throttle),
    };
    Ok(serve(settings).await?)
}

fn env(arguments: &Env) -> Result<(), Failure> {
    let (url, ca_file) = place(arguments)?;
    if arguments.format == Format::CloudFile {
        println!("{:#}", cloud_file(&url, &ca_file));
        return Ok(());
    }
    let estate = arguments.estate.as_deref().map(EstateFile::read).transpose()?;
    let principal = estate.as_ref().and_then(|estate| estate.sign_in(arguments.principal.as_deref()));
    if let (Some(name), None) = (&arguments.principal, &principal) {
        return Err(format!("the estate has no principal {name} with a clientSecret").into());
    }
    let of_estate = || estate.as_ref().and_then(EstateFile::first_workspace);
    let workspace = arguments.workspace.clone().or_else(of_estate);
    let target = Target { url, ca_file: ca_file.display().to_string(), workspace, principal };
    let all = variables(&target);
    match arguments.format {
        Format::Json => {
            let object: serde_json::Map<_, _> =
                all.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
            println!("{:#}", serde_json::Value::Object(object));
        }
        _ => print!("{}", shell(&all)),
    }
    Ok(())
}

/// Where the emulator is, and the file with its authority.
fn place(arguments: &Env) -> Result<(String, PathBuf), Failure> {
    let of_data = arguments.data_dir.as_ref().map(|data| data.join("ready.json"));
    if let Some(file) = arguments.ready_file.as_ref().or(of_data.as_ref()) {
        let text = std::fs::read_to_string(file).map_err(|why| {
            format!(
                "{}: {why}. Is it serving? Give the file that `serve --ready-file` wrote, the folder of `serve --data-dir`, or --url and --ca-file",
                file.display()
            )
        })?;
        let ready: serde_json::Value =
            serde_json::from_str(&text).map_err(|why| format!("{} is no ready file: {why}", file.display()))?;
        let text = |key: &str| ready.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        return Ok((text("url"), text("caFile").into()));
    }
    let ca_file = std::path::absolute(&arguments.ca_file)?;
    if !ca_file.is_file() {
        let why = format!(
            "there is no {}: the emulator makes it when it serves. Give --ready-file, or --ca-file with the path of its ca.pem",
            ca_file.display()
        );
        return Err(why.into());
    }
    Ok((arguments.url.trim_end_matches('/').to_owned(), ca_file))
}
