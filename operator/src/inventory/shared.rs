//! One list that many share: fetched by the first who asks when it is too old, awaited by the others.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex as Lock};
use std::time::{Duration, Instant};

use azureml::ArmId;
use azureml::resources::batch::{BatchDeployment, BatchEndpoint};
use azureml::resources::computes::Compute;
use azureml::resources::data::AssetContainer;
use azureml::resources::jobs::Job;
use azureml::resources::online::{OnlineDeployment, OnlineEndpoint};
use azureml::resources::role_assignments::RoleAssignment;
use azureml::resources::schedules::Schedule;
use azureml::resources::workspaces::WorkspaceResource;
use tokio::sync::Mutex;

use crate::error::{Error, Halt, Remedy};
use crate::shell::references::Key;

/// Something that Azure lists.
pub trait Listed: Clone + PartialEq {
    /// Its ARM id.
    fn id(&self) -> &str;
}

impl Listed for AssetContainer {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for OnlineEndpoint {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for OnlineDeployment {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for WorkspaceResource {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for RoleAssignment {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for Schedule {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for BatchEndpoint {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for BatchDeployment {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for Job {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for Compute {
    fn id(&self) -> &str {
        &self.id
    }
}

/// Who asks, and how old what is known may be.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Woken when a newer list says something else of what was asked for.
    pub by: Key,
    /// The greatest age.
    pub max_age: Duration,
    /// How long a failure stands for all that ask, where Azure names no time.
    pub try_again: Duration,
    /// When.
    pub now: Instant,
}

/// Entries by name; Azure's names are compared without regard to case.
type Entries<T> = HashMap<String, Arc<T>>;

/// A list.
#[derive(Debug)]
pub struct Shared<T> {
    /// Held while the list is fetched: whoever asks meanwhile waits for it.
    known: Mutex<Known<T>>,
    readers: Lock<HashMap<String, HashSet<Key>>>,
}

#[derive(Debug)]
struct Known<T> {
    listed: Option<(Instant, Entries<T>)>,
    failed: Option<(Instant, Halt)>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { known: Mutex::new(Known { listed: None, failed: None }), readers: Lock::default() }
    }
}

impl<T: Listed> Shared<T> {
    /// An entry of the list. Those who asked for entries that have changed since the list before are woken.
    ///
    /// # Errors
    /// Why there is no list; the same for all that ask soon after.
    pub async fn entry<F>(
        &self,
        name: &str,
        asked: Asked,
        list: impl FnOnce() -> F,
        wake: impl Fn(Key),
    ) -> Result<Option<Arc<T>>, Error>
    where
        F: Future<Output = Result<Vec<T>, azureml::Error>>,
    {
        let name = name.to_lowercase();
        if let Ok(mut readers) = self.readers.lock() {
            readers.entry(name.clone()).or_default().insert(asked.by.clone());
        }
        let mut known = self.known.lock().await;
        let changed = known.refresh(&asked, list).await?;
        self.readers_of(&changed).into_iter().filter(|key| *key != asked.by).for_each(wake);
        Ok(known.listed.as_ref().and_then(|(_, entries)| entries.get(&name).cloned()))
    }

    /// All entries of the list.
    ///
    /// # Errors
    /// As [`Shared::entry`].
    pub async fn all<F>(&self, asked: Asked, list: impl FnOnce() -> F) -> Result<Vec<Arc<T>>, Error>
    where
        F: Future<Output = Result<Vec<T>, azureml::Error>>,
    {
        let mut known = self.known.lock().await;
        known.refresh(&asked, list).await?;
        let mut all: Vec<(&String, &Arc<T>)> = known.listed.iter().flat_map(|(_, entries)| entries).collect();
        all.sort_by_key(|(name, _)| *name);
        Ok(all.into_iter().map(|(_, entry)| entry.clone()).collect())
    }

    /// An entry was read by itself, after whatever the list knows.
    pub async fn is(&self, name: &str, found: Option<&T>) {
        let mut known = self.known.lock().await;
        let Some((_, entries)) = &mut known.listed else { return };
        match found {
            Some(found) => entries.insert(name.to_lowercase(), Arc::new(found.clone())),
            None => entries.remove(&name.to_lowercase()),
        };
    }

    /// The whole list was just read.
    pub async fn are(&self, found: &[T], now: Instant) {
        let mut known = self.known.lock().await;
        known.listed = Some((now, by_name(found.to_vec())));
        known.failed = None;
    }

    fn readers_of(&self, changed: &[String]) -> HashSet<Key> {
        let Ok(readers) = self.readers.lock() else { return HashSet::new() };
        changed.iter().filter_map(|name| readers.get(name)).flatten().cloned().collect()
    }
}

impl<T: Listed> Known<T> {
    /// Makes the list new where it is too old; the names of what has changed.
    async fn refresh<F>(&mut self, asked: &Asked, list: impl FnOnce() -> F) -> Result<Vec<String>, Error>
    where
        F: Future<Output = Result<Vec<T>, azureml::Error>>,
    {
        let now = asked.now;
        // Whoever waited while somebody else fetched it asked before its time.
        if self.listed.as_ref().is_some_and(|(at, _)| now.saturating_duration_since(*at) < asked.max_age) {
            return Ok(Vec::new());
        }
        if let Some((until, halt)) = &self.failed
            && now < *until
        {
            return Err(halt.clone().into());
        }
        match list().await {
            Ok(found) => {
                let new = by_name(found);
                // Its age counts from when it was asked for.
                let old = self.listed.replace((now, new)).map(|(_, old)| old);
                self.failed = None;
                let new = self.listed.as_ref().map(|(_, new)| new);
                Ok(old.zip(new).map(|(old, new)| changed(&old, new)).unwrap_or_default())
            }
            Err(error) => {
                let error = Error::from(error);
                let halt = error.halt();
                let after = match halt.remedy {
                    Remedy::Retry(Some(after)) | Remedy::Turn(after) => after,
                    _ => asked.try_again,
                };
                self.failed = Some((now + after, halt));
                Err(error)
            }
        }
    }
}

fn by_name<T: Listed>(found: Vec<T>) -> Entries<T> {
    found.into_iter().map(|entry| (ArmId::new(entry.id()).name().to_lowercase(), Arc::new(entry))).collect()
}

/// The names of entries that came, went, or say something else.
fn changed<T: Listed>(old: &Entries<T>, new: &Entries<T>) -> Vec<String> {
    let differs = old.iter().filter(|(name, entry)| new.get(*name) != Some(*entry));
    let came = new.keys().filter(|name| !old.contains_key(*name));
    differs.map(|(name, _)| name).chain(came).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn asset(name: &str, latest: &str) -> AssetContainer {
        let mut container = AssetContainer { id: format!("/w/data/{name}"), ..AssetContainer::default() };
        container.properties.latest_version = Some(latest.to_owned());
        container
    }

    fn asked(by: &str, now: Instant) -> Asked {
        Asked { by: Key::new("AmlDataset", "team-a", by), max_age: HOUR, try_again: Duration::from_secs(10), now }
    }

    /// Asks for an entry; Azure would list `then`.
    async fn latest(
        list: &Shared<AssetContainer>,
        name: &str,
        now: Instant,
        then: Vec<AssetContainer>,
    ) -> (Option<String>, Vec<Key>) {
        let woken = Lock::new(Vec::new());
        let wake = |key| woken.lock().unwrap().push(key);
        let found = list.entry(name, asked(name, now), || async { Ok(then) }, wake).await.unwrap();
        (found.and_then(|found| found.properties.latest_version.clone()), woken.into_inner().unwrap())
    }

    #[tokio::test]
    async fn many_that_ask_at_once_share_one_list() {
        let (list, calls, now) = (Shared::default(), AtomicUsize::new(0), Instant::now());
        let ask = |name: String| {
            let (list, calls) = (&list, &calls);
            async move {
                let fetch = || async {
                    calls.fetch_add(1, Ordering::SeqCst);
                    // All others ask meanwhile.
                    for _ in 0..1000 {
                        tokio::task::yield_now().await;
                    }
                    Ok((0..100).map(|at| asset(&format!("d{at}"), "1")).collect())
                };
                list.entry(&name, asked(&name, now), fetch, |_| {}).await.unwrap().is_some()
            }
        };
        let found = futures::future::join_all((0..100).map(|at| ask(format!("D{at}")))).await;
        assert!(found.into_iter().all(|found| found));
        assert_eq!(calls.into_inner(), 1);
    }

    #[tokio::test]
    async fn a_list_is_used_until_it_is_too_old() {
        let (list, now) = (Shared::default(), Instant::now());
        assert_eq!(latest(&list, "a", now, vec![asset("a", "1")]).await.0.as_deref(), Some("1"));
        assert_eq!(latest(&list, "A", now + HOUR / 2, vec![asset("a", "2")]).await.0.as_deref(), Some("1"));
        assert_eq!(latest(&list, "a", now + HOUR, vec![asset("a", "2")]).await.0.as_deref(), Some("2"));
    }

    #[tokio::test]
    async fn who_asked_for_what_has_changed_is_woken() {
        let (list, now) = (Shared::default(), Instant::now());
        let before = vec![asset("a", "1"), asset("b", "1"), asset("gone", "1"), asset("same", "1")];
        for name in ["a", "b", "gone", "same", "new"] {
            latest(&list, name, now, before.clone()).await;
        }
        let after = vec![asset("a", "2"), asset("b", "2"), asset("same", "1"), asset("new", "1")];
        let (found, woken) = latest(&list, "a", now + HOUR, after).await;
        assert_eq!(found.as_deref(), Some("2"));
        let mut names: Vec<String> = woken.into_iter().map(|key| key.name).collect();
        names.sort();
        assert_eq!(names, ["b", "gone", "new"], "who asks sees it by itself");
    }

    #[tokio::test]
    async fn what_was_read_by_itself_counts_more_than_the_list() {
        let (list, now) = (Shared::default(), Instant::now());
        latest(&list, "a", now, vec![asset("a", "1")]).await;
        list.is("A", Some(&asset("a", "2"))).await;
        assert_eq!(latest(&list, "a", now, Vec::new()).await.0.as_deref(), Some("2"));
        list.is("a", None).await;
        assert_eq!(latest(&list, "a", now, Vec::new()).await.0, None);
    }

    #[tokio::test]
    async fn a_failure_is_asked_for_once_for_all_until_it_is_time() {
        let (list, calls, now) = (Shared::<AssetContainer>::default(), AtomicUsize::new(0), Instant::now());
        let failing = || async {
            calls.fetch_add(1, Ordering::SeqCst);
            let after = Duration::from_secs(30);
            Err(azureml::Error::Budget { operation: "GET data".into(), after, said: None })
        };
        for _ in 0..20 {
            list.entry("a", asked("a", now), failing, |_| {}).await.unwrap_err();
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        let later = now + Duration::from_secs(31);
        list.entry("a", asked("a", later), failing, |_| {}).await.unwrap_err();
        assert_eq!(calls.load(Ordering::SeqCst), 2);
        let later = later + Duration::from_secs(31);
        assert_eq!(latest(&list, "a", later, vec![asset("a", "1")]).await.0.as_deref(), Some("1"));
    }
}
