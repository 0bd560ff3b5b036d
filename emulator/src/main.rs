//! The emulator binary.

use axum_server::accept::NoDelayAcceptor;
use azureml_emulator::server::{App, router};
use azureml_emulator::tls::leaf;
use azureml_emulator::tokens::Signer;
use clap::{Parser, Subcommand};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until it is ended.
    Serve {
        /// Address of the HTTPS port.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Folder of the certificate authority; ca.pem is kept if present.
        #[arg(long, default_value = "azureml-emulator-tls")]
        tls_dir: PathBuf,
        /// Written when it serves: where it is, and the authority to trust.
        #[arg(long)]
        ready_file: Option<PathBuf>,
        /// One more name of the HTTPS port's certificate; can be given more than once.
        #[arg(long)]
        host_name: Vec<String>,
    },
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_ansi(false).with_env_filter(filter).with_writer(std::io::stderr).init();
    let Command::Serve { listen, tls_dir, ready_file, host_name } = Arguments::parse().command;
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| "a TLS provider is installed already")?;
    let names = ["localhost", "127.0.0.1", "*.blob.localhost", "*.blob.azureml.test"];
    let names: Vec<&str> = names.into_iter().chain(host_name.iter().map(String::as_str)).collect();
    let leaf = leaf(&tls_dir, &names)?;
    let config =
        axum_server::tls_rustls::RustlsConfig::from_pem(leaf.certificate.into_bytes(), leaf.key.into_bytes()).await?;
    let listener = TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let url = format!("https://{}", listener.local_addr()?);
    tracing::info!(url, "serving");
    let ca = std::path::absolute(tls_dir.join("ca.pem"))?;
    if let Some(file) = ready_file {
        let ready = serde_json::json!({"url": url, "caFile": ca, "pid": std::process::id()});
        let part = file.with_extension("part");
        std::fs::write(&part, ready.to_string())?;
        std::fs::rename(part, file)?;
    }
    let app = Arc::new(App::new(Signer::generate()?, ca));
    let scheduled = Arc::clone(&app);
    tokio::spawn(async move { scheduled.keep_schedules().await });
    let app = router(app);
    // Without a delay: an answer's head and body are two packets, and the second must not wait for the first's receipt.
    let server = axum_server::from_tcp_rustls(listener, config)?.map(|tls| tls.acceptor(NoDelayAcceptor::new()));
    server.serve(app.into_make_service()).await?;
    Ok(())
}
