//! Watches and controllers: a controller a kind, fed by its own watch and by what its objects refer to.

use std::sync::Arc;
use std::time::Duration;

use azureml_crds::AmlResource;
use futures::{Stream, StreamExt, future};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use kube::api::Api;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::reflector::Store;
use kube::runtime::reflector::store::Writer;
use kube::runtime::{Controller, WatchStreamExt, controller, watcher};

use super::references::{Key, References};
use super::{Kind, driver, merge, undecodable};
use crate::context::Context;
use crate::settings::Settings;

/// The API of a kind, in all namespaces or in the one that is named.
fn api<K>(client: &kube::Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    namespace.map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace))
}

/// The namespaces to watch: `None` is all.
fn namespaces(settings: &Settings) -> Vec<Option<String>> {
    if settings.namespaces.is_empty() { vec![None] } else { settings.namespaces.iter().cloned().map(Some).collect() }
}

/// The events of a kind from every watched namespace. An object that does not decode is that object's trouble: it is
/// said in its status, and the watch goes on.
fn watch<K>(context: &Arc<Context>) -> impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + use<K>
where
    K: AmlResource,
{
    let mut streams: Vec<_> = namespaces(&context.settings)
        .into_iter()
        .map(|namespace| {
            let api: Api<DeserializeGuard<K>> = api(&context.watch_client, namespace.as_deref());
            let context = context.clone();
            watcher(api, watcher::Config::default().any_semantic())
                .default_backoff()
                .filter_map(move |event| {
                    let context = context.clone();
                    async move { decoded(&context, event).await }
                })
                .boxed()
        })
        .collect();
    match (streams.pop(), streams.is_empty()) {
        (Some(only), true) => only,
        (Some(last), false) => {
            streams.push(last);
            merge::merged(streams)
        }
        (None, _) => futures::stream::empty().boxed(),
    }
}

async fn decoded<K: AmlResource>(
    context: &Context,
    event: Result<watcher::Event<DeserializeGuard<K>>, watcher::Error>,
) -> Option<Result<watcher::Event<K>, watcher::Error>> {
    use watcher::Event;
    let (guarded, wrap): (_, fn(K) -> Event<K>) = match event {
        Err(error) => return Some(Err(error)),
        Ok(Event::Init) => return Some(Ok(Event::Init)),
        Ok(Event::InitDone) => return Some(Ok(Event::InitDone)),
        Ok(Event::Apply(object)) => (object, Event::Apply),
        Ok(Event::InitApply(object)) => (object, Event::InitApply),
        Ok(Event::Delete(object)) => (object, Event::Delete),
    };
    match guarded.0 {
        Ok(mut object) => {
            object.meta_mut().managed_fields = None;
            Some(Ok(wrap(object)))
        }
        Err(invalid) => {
            tracing::warn!(kind = K::KIND, name = ?invalid.metadata.name, error = %invalid.error, "the object can't be read");
            if let Err(error) = undecodable::report::<K>(context, &invalid.metadata, &invalid.error.to_string()).await {
                tracing::warn!(%error, name = ?invalid.metadata.name, "the trouble could not be written into the status");
            }
            None
        }
    }
}

/// A kind's cache and what fills it.
pub struct Cache<K: AmlResource> {
    store: Store<K>,
    writer: Writer<K>,
}

impl<K: AmlResource> Default for Cache<K> {
    fn default() -> Self {
        let writer = Writer::default();
        Self { store: writer.as_reader(), writer }
    }
}

impl<K: AmlResource> Cache<K> {
    /// The reading side.
    pub fn store(&self) -> Store<K> {
        self.store.clone()
    }
}

/// Runs the controller of a kind until `stop` resolves.
pub async fn controller<K>(
    context: Arc<Context>,
    cache: Cache<K::Resource>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) where
    K: Kind,
    K::Resource: References,
{
    let Cache { store, writer } = cache;
    let telling = context.clone();
    let mut seen = Seen::default();
    let own = watch::<K::Resource>(&context)
        .reflect(writer)
        .inspect(move |event| tell(&telling, event))
        .filter_map(move |event| future::ready(seen.changed(event)));
    let woken = context.wakers.stream::<K::Resource>();
    let config = controller::Config::default().concurrency(context.settings.concurrency);
    Controller::for_stream(own, store)
        .reconcile_on(woken)
        .with_config(config)
        .graceful_shutdown_on(stop)
        .run(
            |object, context: Arc<Context>| async move {
                Ok::<_, std::convert::Infallible>(driver::reconcile::<K>(context, object).await)
            },
            |_, never, _| match *never {},
            context,
        )
        .for_each(|result| async move {
            if let Err(error) = result
                && !matches!(error, controller::Error::ObjectNotFound(_))
            {
                tracing::warn!(kind = K::Resource::KIND, %error, "the controller");
            }
        })
        .await;
}

/// Keeps the cache of a kind filled, where nothing is to be reconciled.
pub async fn watched<K: References>(
    context: Arc<Context>,
    cache: Cache<K>,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let telling = context.clone();
    watch::<K>(&context)
        .reflect(cache.writer)
        .inspect(move |event| tell(&telling, event))
        .take_until(Box::pin(stop))
        .for_each(|_| future::ready(()))
        .await;
}

fn tell<K: References>(context: &Context, event: &Result<watcher::Event<K>, watcher::Error>) {
    match event {
        Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => context.wakers.seen(object),
        Ok(watcher::Event::Delete(object)) => context.wakers.gone(object),
        Ok(watcher::Event::InitDone) => context.filled.done(K::KIND),
        Ok(watcher::Event::Init) | Err(_) => {}
    }
}

/// Lets an object through when something changed that its own reconcile reads: spec, annotations, finalizers, deletion.
/// Its own status writes wake nothing.
#[derive(Default)]
struct Seen(std::collections::HashMap<String, u64>);

impl Seen {
    fn changed<K: AmlResource>(
        &mut self,
        event: Result<watcher::Event<K>, watcher::Error>,
    ) -> Option<Result<K, watcher::Error>> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        match event {
            Err(error) => Some(Err(error)),
            Ok(watcher::Event::Init | watcher::Event::InitDone) => None,
            Ok(watcher::Event::Delete(object)) => {
                self.0.remove(object.uid());
                None
            }
            Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                let mut hasher = DefaultHasher::new();
                let meta = object.meta();
                (meta.generation, &meta.annotations, &meta.finalizers, meta.deletion_timestamp.is_some())
                    .hash(&mut hasher);
                let hash = hasher.finish();
                (self.0.insert(object.uid().to_owned(), hash) != Some(hash)).then_some(Ok(object))
            }
        }
    }
}

/// Watches the metadata of Secrets, ConfigMaps and ServiceAccounts, and wakes who refers to one that changed. Their
/// contents are never cached.
pub async fn dependencies(context: Arc<Context>) {
    let secrets = metadata::<Secret>(context.clone(), "Secret");
    let maps = metadata::<ConfigMap>(context.clone(), "ConfigMap");
    let accounts = metadata::<ServiceAccount>(context, "ServiceAccount");
    futures::join!(secrets, maps, accounts);
}

async fn metadata<K>(context: Arc<Context>, kind: &'static str)
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + Send
        + 'static,
{
    let streams = namespaces(&context.settings).into_iter().map(|namespace| {
        let api: Api<PartialObjectMeta<K>> = api(&context.watch_client, namespace.as_deref());
        watcher(api, watcher::Config::default().any_semantic()).default_backoff().boxed()
    });
    futures::stream::select_all(streams)
        .for_each(|event| {
            let object = match event {
                Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                    context.holds.seen(kind, &object.metadata);
                    Some(object)
                }
                Ok(watcher::Event::Delete(object)) => {
                    context.holds.gone(kind, &object.metadata);
                    Some(object)
                }
                Ok(watcher::Event::Init | watcher::Event::InitDone) => None,
                Err(error) => {
                    tracing::debug!(kind, %error, "watch");
                    None
                }
            };
            if let Some(metadata) = object.map(|object| object.metadata)
                && let (Some(namespace), Some(name)) = (metadata.namespace, metadata.name)
            {
                context.azure.dependency_changed(kind, &namespace, &name);
                context.wakers.touched(&Key::new(kind, &namespace, &name));
            }
            future::ready(())
        })
        .await;
}

/// Waits until a kind's definition is served.
pub async fn established<K: AmlResource>(client: &kube::Client, settings: &Settings) {
    let namespace = settings.namespaces.first().map(String::as_str);
    let api: Api<K> = api(client, namespace);
    loop {
        match api.list_metadata(&kube::api::ListParams::default().limit(1)).await {
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(kind = K::KIND, %error, "the kind can't be listed yet; are the CRDs installed and the RBAC bound?");
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        }
    }
}
