//! Wakes objects by name: a channel a kind.

use std::collections::HashMap;
use std::sync::Mutex;

use azureml_crds::AmlResource;
use futures::Stream;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::references::{Index, Key, References};

/// The senders, and the index that says whom to wake.
#[derive(Debug, Default)]
pub struct Wakers {
    index: Mutex<Index>,
    senders: Mutex<HashMap<&'static str, UnboundedSender<Key>>>,
}

impl Wakers {
    /// The stream of objects of this kind to be reconciled because something they refer to changed.
    pub fn stream<K: AmlResource>(&self) -> impl Stream<Item = ObjectRef<K>> + Send + 'static {
        let (sender, receiver) = unbounded_channel();
        if let Ok(mut senders) = self.senders.lock() {
            senders.insert(K::KIND, sender);
        }
        futures::stream::unfold(receiver, |mut receiver: UnboundedReceiver<Key>| async move {
            let key = receiver.recv().await?;
            Some((ObjectRef::new(&key.name).within(&key.namespace), receiver))
        })
    }

    /// An object of ours was seen by a watch.
    pub fn seen<K: References>(&self, object: &K) {
        let woken = self.index.lock().map(|mut index| index.seen(object)).unwrap_or_default();
        self.send(woken);
    }

    /// An object of ours is gone.
    pub fn gone<K: References>(&self, object: &K) {
        let key = Key::new(K::KIND, object.namespace(), object.name());
        let woken = self.index.lock().map(|mut index| index.gone(&key)).unwrap_or_default();
        self.send(woken);
    }

    /// A Secret, ConfigMap or ServiceAccount changed; whether anybody refers to it.
    pub fn touched(&self, key: &Key) -> bool {
        let woken = self.index.lock().map(|index| index.dependents(key)).unwrap_or_default();
        let any = !woken.is_empty();
        self.send(woken);
        any
    }

    /// Wakes one object.
    pub fn wake(&self, key: Key) {
        self.send(vec![key]);
    }

    fn send(&self, keys: Vec<Key>) {
        let Ok(senders) = self.senders.lock() else { return };
        for key in keys {
            if let Some(sender) = senders.get(key.kind) {
                // A closed channel means that the operator is stopping.
                let _ = sender.send(key);
            }
        }
    }
}
