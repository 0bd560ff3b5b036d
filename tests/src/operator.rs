//! The operator as a process: the binary that ships, with the rights that ship.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::cluster::{Cluster, OPERATOR};
use crate::emulator::Emulator;
use crate::failure::{Failure, Result, While};
use crate::places;
use crate::process::Daemon;
use crate::programs::programs;
use crate::site::Site;

/// How long it may take to come up.
const LIMIT: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(30);

/// Everything that is ever logged.
const HIGHEST: &str = "trace";
/// The same, but for what carries bytes: HTTP, TLS and sockets tell each frame, most of all that is logged, and nothing of
/// it is of one operator alone. The operator that tests share says it too.
const HIGHEST_OF_MEANING: &str =
    "trace,hyper=info,hyper_util=info,h2=info,rustls=info,tower=info,tokio_util=info,mio=info,want=info";

/// How an operator is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The installation's name.
    pub installation: String,
    /// The namespaces that it watches; none: all.
    pub namespaces: Vec<String>,
    /// How often an object at rest is looked at.
    pub resync: &'static str,
    /// How often what lists don't tell is looked at.
    pub full_look: &'static str,
    /// How often work in flight is looked at.
    pub poll: &'static str,
    /// How often a stalled object is tried again.
    pub stalled_retry: &'static str,
    /// More arguments.
    pub arguments: Vec<String>,
    /// The kubeconfig that it acts by; none: its own, straight to the API server.
    pub kubeconfig: Option<PathBuf>,
    /// What it logs.
    pub log: &'static str,
    /// The file that describes the cloud; none: the emulator's own.
    pub cloud_file: Option<PathBuf>,
}

impl Options {
    /// For the operator that tests share.
    #[must_use]
    pub fn shared() -> Self {
        Self {
            installation: "tests".to_owned(),
            namespaces: Vec::new(),
            resync: "20s",
            full_look: "30s",
            poll: "300ms",
            stalled_retry: "3s",
            arguments: Vec::new(),
            kubeconfig: None,
            // The highest level: whatever is secret has to be in none of it.
            log: HIGHEST,
            cloud_file: None,
        }
    }

    /// For an operator of one namespace, which a test may end.
    #[must_use]
    pub fn only(namespace: &str) -> Self {
        let namespaces = vec![namespace.to_owned()];
        Self { installation: namespace.to_owned(), namespaces, log: HIGHEST_OF_MEANING, ..Self::shared() }
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = [
            ["--installation", &self.installation],
            ["--resync", self.resync],
            ["--full-look", self.full_look],
            ["--poll", self.poll],
            ["--stalled-retry", self.stalled_retry],
            ["--max-backoff", "2s"],
            ["--discover", "1s"],
            ["--log", self.log],
            ["--role-propagation", "20s"],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
        if !self.namespaces.is_empty() {
            arguments.extend(["--namespaces".to_owned(), self.namespaces.join(",")]);
        }
        arguments.extend(self.arguments.iter().cloned());
        arguments
    }
}

/// An operator, which may be killed and started again.
#[derive(Debug)]
pub struct Operator {
    program: PathBuf,
    arguments: Vec<String>,
    kubeconfig: PathBuf,
    address: String,
    folder: TempDir,
    daemon: Option<Daemon>,
}

impl Operator {
    /// Starts one as the ServiceAccount that ships, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not come up; its log is in the message.
    pub async fn start(cluster: &Cluster, emulator: &Emulator, site: &Site, options: Options) -> Result<Self> {
        let program = tokio::task::spawn_blocking(programs).await.doing("building the programs")??.operator;
        let folder = places::scratch("operator")?;
        let kubeconfig = match options.kubeconfig.clone() {
            Some(kubeconfig) => kubeconfig,
            None => cluster.kubeconfig_as(OPERATOR, OPERATOR).await?,
        };
        let address = format!("127.0.0.1:{}", places::free_port()?);
        let mut arguments = vec!["run".to_owned()];
        arguments.extend(options.arguments());
        let cloud_file = options.cloud_file.as_deref().unwrap_or(emulator.cloud_file());
        let fixed = [
            ("--cloud-file", cloud_file.display().to_string()),
            ("--http-listen", address.clone()),
            ("--fetch-allow-hosts", site.host().to_owned()),
            ("--fetch-ca-file", site.ca_file().display().to_string()),
        ];
        arguments.extend(fixed.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
        let mut operator = Self { program, arguments, kubeconfig, address, folder, daemon: None };
        operator.launch()?;
        // The log is searched for secrets when all is over.
        let kept = places::kept_logs()?.join(format!("{}.log", uuid::Uuid::new_v4()));
        std::fs::hard_link(operator.log(), &kept).doing(kept.display())?;
        operator.wait_until_ready().await?;
        Ok(operator)
    }

    /// Starts it, without waiting for it.
    ///
    /// # Errors
    /// When the program can't be started.
    pub fn launch(&mut self) -> Result {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env("KUBECONFIG", &self.kubeconfig).env("RUST_BACKTRACE", "1");
        self.daemon = Some(Daemon::start("azureml-operator", &command, &self.log())?);
        Ok(())
    }

    /// Waits until it has its watches.
    ///
    /// # Errors
    /// When it ends or the limit passes; its log is in the message.
    pub async fn wait_until_ready(&self) -> Result {
        let url = format!("http://{}/readyz", self.address);
        let deadline = Instant::now() + LIMIT;
        loop {
            self.daemon.as_ref().doing("a running operator")?.check_runs()?;
            if reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let log = self.tail(25);
                return Err(Failure::new(format!("azureml-operator is not ready after {LIMIT:?}:\n{log}")));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Fails, with the end of its log, when it has ended by itself.
    ///
    /// # Errors
    /// When it has ended.
    pub fn check_runs(&self) -> Result {
        self.daemon.as_ref().map_or(Ok(()), Daemon::check_runs)
    }

    /// What the kernel counts of its memory, in kB: `VmHWM` (the most that was resident at once), `VmRSS` (now).
    ///
    /// # Errors
    /// When it does not run.
    pub fn memory(&self, what: &str) -> Result<u64> {
        let path = format!("/proc/{}/status", self.daemon.as_ref().doing("a running operator")?.id());
        let text = std::fs::read_to_string(&path).doing(&path)?;
        let line = text.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
        let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        number.doing(format_args!("{what} in {path}"))
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&self, signal: Signal) -> Result {
        self.daemon.as_ref().doing("a running operator")?.signal(signal)
    }

    /// Waits until it has ended by itself, and says how.
    ///
    /// # Errors
    /// When it has not within the limit.
    pub async fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let daemon = self.daemon.take().doing("a running operator")?;
        daemon.ended_within(limit).await
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self) -> Result {
        self.daemon.take().map_or(Ok(()), |daemon| daemon.kill())
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// When it has to be killed, or ends badly.
    pub async fn stop(&mut self) -> Result {
        let Some(daemon) = self.daemon.take() else { return Ok(()) };
        if let Ok(metrics) = self.metrics().await {
            let kept = places::kept_logs()?.join(format!("{}.metrics", uuid::Uuid::new_v4()));
            std::fs::write(&kept, metrics).doing(kept.display())?;
        }
        let status = daemon.stop(Duration::from_secs(20)).await?;
        let tail = daemon.tail(25);
        status.success().then_some(()).ok_or_else(|| Failure::new(format!("azureml-operator ended: {status}\n{tail}")))
    }

    /// Kills it where it runs, starts it again and waits until it is ready.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&mut self) -> Result {
        self.kill()?;
        self.launch()?;
        self.wait_until_ready().await
    }

    /// Its log, of all its starts.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("operator.log")
    }

    /// Where its log is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its metrics, as Prometheus reads them.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self) -> Result<String> {
        Ok(reqwest::get(format!("http://{}/metrics", self.address)).await?.text().await?)
    }

    /// A failure with the end of this operator's log behind it.
    ///
    /// # Errors
    /// The failure.
    pub fn explained<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|failure| Failure::new(format!("{failure}\n--- the operator's log\n{}", self.tail(60))))
    }

    /// The last lines of its log.
    #[must_use]
    pub fn tail(&self, lines: usize) -> String {
        let log = std::fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let own: Vec<&str> = log.lines().filter(|line| crate::diagnosis::is_ours(line)).collect();
        own[own.len().saturating_sub(lines)..].join("\n")
    }
}
