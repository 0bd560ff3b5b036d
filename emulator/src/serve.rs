//! Serves: from settings to a port that answers.

use crate::data_dir::DataDirError;
use crate::estate_file::apply::ApplyError;
use crate::estate_file::{EstateFile, EstateFileError};
use crate::server::{App, router};
use crate::tls::{TlsError, leaf};
use axum_server::accept::NoDelayAcceptor;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How to serve.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address of the HTTPS port; port 0 for any that is free.
    pub listen: SocketAddr,
    /// Where all is kept; in memory alone when not given.
    pub data_dir: Option<PathBuf>,
    /// Folder of the certificate authority.
    pub tls_dir: PathBuf,
    /// What exists at the start.
    pub estate: Option<PathBuf>,
    /// Written when it serves.
    pub ready_file: Option<PathBuf>,
    /// More names of the port's certificate.
    pub host_names: Vec<String>,
    /// Below `blob.` and this, storage accounts have hosts of their own; the port's own is added where there is none.
    pub storage_suffix: Option<String>,
    /// Which of Azure's manners it has: a merge patch of what `GET /_emulator/manners` shows.
    pub manners: serde_json::Value,
}

/// Why it doesn't serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port can't be had.
    #[error("can't listen on {address}: {source}. Choose another address by --listen; 127.0.0.1:0 takes a free port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A file can't be written.
    #[error("{path} can't be written: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The process has another provider of cryptography.
    #[error("a TLS provider is installed already")]
    Provider,
    /// Certificates.
    #[error("{0}. --tls-dir takes a folder that can be written; an authority in it is kept")]
    Tls(#[from] TlsError),
    /// The folder in which all is kept.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The estate's file.
    #[error(transparent)]
    EstateFile(#[from] EstateFileError),
    /// What it says.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// Manners that there are not.
    #[error("the manners can't be set: {0}")]
    Manners(String),
    /// While serving.
    #[error("serving ended: {0}")]
    Io(#[from] std::io::Error),
}

/// Serves until the process ends.
///
/// # Errors
/// When it can't begin.
pub async fn serve(settings: Settings) -> Result<(), ServeError> {
    rustls::crypto::aws_lc_rs::default_provider().install_default().map_err(|_| ServeError::Provider)?;
    // What is wrong with the file is told before anything is made.
    let estate = settings.estate.as_deref().map(EstateFile::read).transpose()?;
    let names = ["localhost", "127.0.0.1", "*.blob.localhost", "*.blob.azureml.test"];
    let accounts =
        settings.storage_suffix.as_ref().map(|suffix| format!("*.blob.{}", suffix.split(':').next().unwrap_or(suffix)));
    let more = settings.host_names.iter().chain(&accounts).map(String::as_str);
    let names: Vec<&str> = names.into_iter().chain(more).collect();
    let leaf = leaf(&settings.tls_dir, &names)?;
    let config =
        axum_server::tls_rustls::RustlsConfig::from_pem(leaf.certificate.into_bytes(), leaf.key.into_bytes()).await?;
    let refused = |source| ServeError::Listen { address: settings.listen, source };
    let listener = TcpListener::bind(settings.listen).map_err(refused)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let url = format!("https://{address}");
    let ca = std::path::absolute(settings.tls_dir.join("ca.pem"))?;
    let port = |suffix: String| if suffix.contains(':') { suffix } else { format!("{suffix}:{}", address.port()) };
    let app = App::open(settings.data_dir.as_deref(), ca.clone(), settings.storage_suffix.map(port)).await?;
    if let Some(estate) = estate {
        estate.apply(&app).await?;
    }
    app.change_manners(&settings.manners).map_err(ServeError::Manners)?;
    tracing::info!(url, ca = %ca.display(), page = format!("{url}/_emulator/"), "serving");
    // The data folder says it too: `env` finds the emulator by it.
    let in_data = settings.data_dir.map(|data| data.join("ready.json"));
    for file in settings.ready_file.iter().chain(&in_data) {
        tell(file, &url, &ca)?;
    }
    let scheduled = Arc::clone(&app);
    tokio::spawn(async move { scheduled.keep_schedules().await });
    let app = router(app);
    // Without a delay: an answer's head and body are two packets, and the second must not wait for the first's receipt.
    let server = axum_server::from_tcp_rustls(listener, config)?.map(|tls| tls.acceptor(NoDelayAcceptor::new()));
    server.serve(app.into_make_service()).await?;
    Ok(())
}

/// Tells where it serves: a file that is there is whole.
fn tell(file: &Path, url: &str, ca: &Path) -> Result<(), ServeError> {
    let ready = serde_json::json!({"url": url, "caFile": ca, "pid": std::process::id()});
    let part = file.with_extension("part");
    let written = std::fs::write(&part, ready.to_string()).and_then(|()| std::fs::rename(&part, file));
    written.map_err(|source| ServeError::Write { path: file.to_owned(), source })
}
