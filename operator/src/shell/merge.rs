//! Watches of several namespaces as one: a cache takes a list for the whole, so each namespace's list is told as changes
//! against what was known of it.

use std::collections::HashMap;

use azureml_crds::AmlResource;
use futures::stream::{BoxStream, SelectAll, StreamExt};
use kube::runtime::watcher::{Error, Event};

type Item<K> = Result<Event<K>, Error>;

/// One stream of all; its first list is complete when all first lists are.
pub fn merged<K: AmlResource>(streams: Vec<BoxStream<'static, Item<K>>>) -> BoxStream<'static, Item<K>> {
    let mut places: Vec<Place<K>> = streams.iter().map(|_| Place::default()).collect();
    let numbered: SelectAll<_> =
        streams.into_iter().enumerate().map(|(at, stream)| stream.map(move |item| (at, item)).boxed()).collect();
    let events = numbered.flat_map(move |(at, item)| futures::stream::iter(translate(&mut places, at, item)));
    futures::stream::once(async { Ok(Event::Init) }).chain(events).boxed()
}

/// What is known of one namespace.
struct Place<K> {
    known: HashMap<String, K>,
    listed: Option<HashMap<String, K>>,
    complete: bool,
}

impl<K> Default for Place<K> {
    fn default() -> Self {
        Self { known: HashMap::new(), listed: None, complete: false }
    }
}

fn translate<K: AmlResource>(places: &mut [Place<K>], at: usize, item: Item<K>) -> Vec<Item<K>> {
    let first = places.iter().any(|place| !place.complete);
    let shown = |object: K| Ok(if first { Event::InitApply(object) } else { Event::Apply(object) });
    let Some(place) = places.get_mut(at) else { return Vec::new() };
    match item {
        Err(error) => vec![Err(error)],
        Ok(Event::Init) => {
            place.listed = Some(HashMap::new());
            Vec::new()
        }
        Ok(Event::InitApply(object)) => {
            place.listed.get_or_insert_default().insert(object.name().to_owned(), object.clone());
            vec![shown(object)]
        }
        Ok(Event::InitDone) => {
            let listed = place.listed.take().unwrap_or_default();
            let known = std::mem::replace(&mut place.known, listed);
            let gone = known.into_iter().filter(|(name, _)| !place.known.contains_key(name));
            let mut all: Vec<Item<K>> = gone.map(|(_, object)| Ok(Event::Delete(object))).collect();
            place.complete = true;
            if first && places.iter().all(|place| place.complete) {
                all.push(Ok(Event::InitDone));
            }
            all
        }
        Ok(Event::Apply(object)) => {
            place.known.insert(object.name().to_owned(), object.clone());
            vec![shown(object)]
        }
        Ok(Event::Delete(object)) => {
            place.known.remove(object.name());
            vec![Ok(Event::Delete(object))]
        }
    }
}

#[cfg(test)]
mod tests {
    use azureml_crds::AmlCompute;
    use serde_json::json;

    use super::*;

    fn object(name: &str) -> AmlCompute {
        serde_json::from_value(json!({
            "apiVersion": "azureml.dev/v1alpha1", "kind": "AmlCompute", "metadata": {"name": name},
            "spec": {"workspaceRef": {"name": "w"}, "size": "s", "scale": {"maxNodes": 1}},
        }))
        .unwrap()
    }

    fn words(items: &[Item<AmlCompute>]) -> Vec<String> {
        let word = |item: &Item<AmlCompute>| match item.as_ref().unwrap() {
            Event::Init => "init".to_owned(),
            Event::InitDone => "done".to_owned(),
            Event::InitApply(object) => format!("list {}", object.name()),
            Event::Apply(object) => format!("apply {}", object.name()),
            Event::Delete(object) => format!("delete {}", object.name()),
        };
        items.iter().map(word).collect()
    }

    #[test]
    fn a_new_list_of_one_namespace_leaves_the_others() {
        let mut places = vec![Place::default(), Place::default()];
        let mut told = Vec::new();
        for (at, event) in [
            (0, Event::Init),
            (0, Event::InitApply(object("a"))),
            (1, Event::Init),
            (0, Event::InitDone),
            (1, Event::InitApply(object("b"))),
            (1, Event::InitDone),
            (0, Event::Init),
            (0, Event::InitApply(object("c"))),
            (0, Event::InitDone),
        ] {
            told.extend(translate(&mut places, at, Ok(event)));
        }
        assert_eq!(words(&told), ["list a", "list b", "done", "apply c", "delete a"]);
    }
}
