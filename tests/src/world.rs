//! What all end-to-end tests of one run share, started when the first test needs it.

use std::path::Path;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use tokio::sync::{Mutex, OnceCell};

use crate::cluster::Cluster;
use crate::emulator::Emulator;
use crate::failure::{Result, While};
use crate::operator::{Operator, Options};
use crate::places;
use crate::record;
use crate::secrets::{Block, Blocks, Finder};
use crate::site::Site;

/// A cluster with an operator that all tests share, one for operators that a test ends, an emulator and a web site.
#[derive(Debug, Default)]
pub struct World {
    cluster: OnceCell<Arc<Cluster>>,
    lone_cluster: OnceCell<Arc<Cluster>>,
    emulator: OnceCell<Arc<Emulator>>,
    site: OnceCell<Arc<Site>>,
    operator: OnceCell<Arc<Mutex<Operator>>>,
}

impl World {
    /// The cluster.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn cluster(&self) -> Result<Arc<Cluster>> {
        let start = || async { Ok(Arc::new(Cluster::start().await?)) };
        self.cluster.get_or_try_init(start).await.cloned()
    }

    /// The cluster where nothing watches but the operators that tests start there, each for its own namespace.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn lone_cluster(&self) -> Result<Arc<Cluster>> {
        let start = || async {
            let cluster = Cluster::start().await?;
            introduce(&cluster, &*self.emulator().await?).await?;
            Ok(Arc::new(cluster))
        };
        self.lone_cluster.get_or_try_init(start).await.cloned()
    }

    /// The emulator, which trusts the clusters' service accounts.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn emulator(&self) -> Result<Arc<Emulator>> {
        let start = || async {
            let emulator = Emulator::start().await?;
            introduce(&*self.cluster().await?, &emulator).await?;
            Ok(Arc::new(emulator))
        };
        self.emulator.get_or_try_init(start).await.cloned()
    }

    /// The web site.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn site(&self) -> Result<Arc<Site>> {
        let start = || async { Ok(Arc::new(Site::start().await?)) };
        self.site.get_or_try_init(start).await.cloned()
    }

    /// The operator that watches all namespaces of the shared cluster.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn operator(&self) -> Result<Arc<Mutex<Operator>>> {
        let start = || async {
            let (cluster, emulator, site) = (self.cluster().await?, self.emulator().await?, self.site().await?);
            let operator = Operator::start(&cluster, &emulator, &site, Options::shared()).await?;
            Ok(Arc::new(Mutex::new(operator)))
        };
        self.operator.get_or_try_init(start).await.cloned()
    }

    /// Waits until all that went over the wire so far is checked; what comes later is not.
    ///
    /// # Errors
    /// When something could not be fetched.
    pub async fn all_is_checked(&self) -> Result {
        match self.emulator.get() {
            Some(emulator) => emulator.all_is_checked().await,
            None => Ok(()),
        }
    }

    /// What leaked of the secrets of all tests into a log, an event, a status, an annotation or a metric, now that they
    /// are over. How much was looked at is printed.
    ///
    /// # Errors
    /// When something can't be read.
    pub async fn leaks(&self) -> Result<Vec<String>> {
        let Some(emulator) = self.emulator.get() else { return Ok(Vec::new()) };
        let mut known = crate::secrets::all();
        known.extend(emulator.secrets().await?);
        let finder = Arc::new(Finder::new(&known)?);
        let mut leaks = Vec::new();
        let (mut logs, mut bytes) = (0, 0);
        let mut blocks = Vec::new();
        for entry in std::fs::read_dir(places::kept_logs()?)? {
            let file = Blocks::open(&entry?.path())?;
            (logs, bytes) = (logs + 1, bytes + file.length());
            blocks.push(file);
        }
        let searched = futures::stream::iter(blocks.into_iter().flatten()).map(|block| {
            let finder = finder.clone();
            async move {
                let Block { name, text } = block?;
                tokio::task::spawn_blocking(move || finder.leaks(&name, &text)).await.doing("the search for secrets")
            }
        });
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let found: Vec<Vec<String>> = searched.buffer_unordered(cores).try_collect().await?;
        leaks.extend(found.into_iter().flatten());
        if let Some(operator) = self.operator.get() {
            leaks.extend(finder.leaks("/metrics", operator.lock().await.metrics().await?.as_bytes()));
        }
        for cluster in [&self.cluster, &self.lone_cluster].into_iter().filter_map(OnceCell::get) {
            record::catch_up(cluster.api().client()).await?;
        }
        let texts = record::texts();
        for (text, place) in &texts {
            leaks.extend(finder.leaks(place, text.as_bytes()));
        }
        eprintln!(
            "looked for {} secrets in {logs} logs and metrics ({} KiB) and {} texts of events, statuses and annotations",
            known.len(),
            bytes / 1024,
            texts.len()
        );
        Ok(leaks)
    }

    /// Copies the logs to a folder, for a person who looks for the cause of a failure.
    ///
    /// # Errors
    /// When one can't be copied.
    pub async fn save_logs(&self, folder: &Path) -> Result {
        std::fs::create_dir_all(folder).doing(folder.display())?;
        let mut from = Vec::new();
        if let Some(operator) = self.operator.get() {
            from.push(("", operator.lock().await.folder().to_owned()));
        }
        from.extend(self.emulator.get().map(|emulator| ("", emulator.folder().to_owned())));
        from.extend(self.cluster.get().map(|cluster| ("", cluster.folder().to_owned())));
        from.extend(self.lone_cluster.get().map(|cluster| ("lone-", cluster.folder().to_owned())));
        from.iter().try_for_each(|(prefix, from)| copy_logs(from, folder, prefix))
    }

    /// Ends all of it.
    ///
    /// # Errors
    /// When a part had to be killed.
    pub async fn stop(&self) -> Result {
        if let Some(operator) = self.operator.get() {
            operator.lock().await.stop().await?;
        }
        if let Some(emulator) = self.emulator.get() {
            emulator.stop().await?;
        }
        for cluster in [&self.cluster, &self.lone_cluster] {
            cluster.get().map_or(Ok(()), |cluster| cluster.stop())?;
        }
        places::clear_scratch()
    }
}

/// Lets the emulator verify the tokens of a cluster's service accounts.
async fn introduce(cluster: &Cluster, emulator: &Emulator) -> Result {
    let (issuer, keys) = cluster.issuer().await?;
    emulator.trust(&issuer, &keys).await
}

fn copy_logs(from: &Path, to: &Path, prefix: &str) -> Result {
    for entry in std::fs::read_dir(from).doing(from.display())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".log") {
            std::fs::copy(&path, to.join(format!("{prefix}{name}"))).doing(path.display())?;
        }
    }
    Ok(())
}
