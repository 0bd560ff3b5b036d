//! Blob storage: accounts, containers, blobs.

pub(crate) mod http;
pub(crate) mod signature;

use crate::data_dir::{Keep, StoredBlob, StoredBlock, text};
use crate::run_history::run::Location;
use axum::body::Bytes;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A blob.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Blob {
    pub(crate) content: Bytes,
    pub(crate) content_type: String,
    pub(crate) etag: String,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    /// Names in lower case.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// What a blob was staged as, block by block.
type Blocks = BTreeMap<String, Bytes>;

/// All blobs of all accounts.
#[derive(Default)]
pub(crate) struct Blobs {
    blobs: Mutex<BTreeMap<Location, Blob>>,
    staged: Mutex<BTreeMap<Location, Blocks>>,
    keep: Keep,
}

/// What keys of the records of blobs begin with.
pub(crate) const BLOB: &str = "blob\t";
/// Of blocks.
pub(crate) const BLOCK: &str = "block\t";

fn key(place: &Location) -> String {
    format!("{BLOB}{}\t{}\t{}", place.account, place.container, place.path)
}

fn block_key(place: &Location, block: &str) -> String {
    format!("{BLOCK}{}\t{}\t{}\t{block}", place.account, place.container, place.path)
}

/// A blob that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The specified blob already exists.")]
pub(crate) struct Exists;

impl Blobs {
    /// None yet, written down somewhere.
    pub(crate) fn kept_by(keep: Keep) -> Self {
        Self { keep, ..Self::default() }
    }

    /// Puts back a blob that was kept.
    pub(crate) fn restore(&self, stored: StoredBlob, content: Bytes) {
        let StoredBlob { place, content_type, etag, created, modified, metadata, .. } = stored;
        self.lock().insert(place, Blob { content, content_type, etag, created, modified, metadata });
    }

    /// Puts back a block.
    pub(crate) fn restore_block(&self, stored: StoredBlock, content: Bytes) {
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        staged.entry(stored.place).or_default().insert(stored.block, content);
    }

    /// Writes down a blob whose content is in a file.
    fn note(&self, place: &Location, blob: &Blob, file: String) {
        if !self.keep.is_on() {
            return;
        }
        let stored = StoredBlob {
            place: place.clone(),
            file,
            content_type: blob.content_type.clone(),
            etag: blob.etag.clone(),
            created: blob.created,
            modified: blob.modified,
            metadata: blob.metadata.clone(),
        };
        // With the blob go the blocks that it was made of, or that it takes the place of.
        let blocks = self.keep.keys(&block_key(place, "")).into_iter().map(|block| (block, None));
        self.keep.write(std::iter::once((key(place), text(&stored))).chain(blocks).collect());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Location, Blob>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A blob.
    pub(crate) fn get(&self, place: &Location) -> Option<Blob> {
        self.lock().get(place).cloned()
    }

    /// Writes a blob; `anew` only if there is none.
    pub(crate) fn put(
        &self,
        place: &Location,
        content: Bytes,
        content_type: &str,
        metadata: BTreeMap<String, String>,
        anew: bool,
        now: Timestamp,
    ) -> Result<Blob, Exists> {
        // The file is written before anybody has to wait for it.
        let file = self.keep.content(&content);
        let mut blobs = self.lock();
        let known = blobs.get(place);
        if anew && known.is_some() {
            return Err(Exists);
        }
        let created = known.map_or(now, |known| known.created);
        let blob =
            Blob { content, content_type: content_type.to_owned(), etag: etag(), created, modified: now, metadata };
        self.note(place, &blob, file);
        blobs.insert(place.clone(), blob.clone());
        Ok(blob)
    }

    /// Replaces a blob's metadata.
    pub(crate) fn describe(
        &self,
        place: &Location,
        metadata: BTreeMap<String, String>,
        now: Timestamp,
    ) -> Option<Blob> {
        let mut blobs = self.lock();
        let blob = blobs.get_mut(place)?;
        (blob.metadata, blob.etag, blob.modified) = (metadata, etag(), now);
        self.note(place, blob, self.keep.content(&blob.content));
        Some(blob.clone())
    }

    /// Removes a blob; whether it was there.
    pub(crate) fn remove(&self, place: &Location) -> bool {
        let mut blobs = self.lock();
        self.keep.remove(|| key(place));
        blobs.remove(place).is_some()
    }

    /// The blobs of a container whose names begin so, in order, after a name.
    pub(crate) fn list(&self, start: &Location, after: Option<&str>, most: usize) -> Vec<(String, Blob)> {
        let blobs = self.lock();
        let of_it = |known: &Location| {
            known.account == start.account && known.container == start.container && known.path.starts_with(&start.path)
        };
        let found = blobs.range(start.clone()..).take_while(|(known, _)| of_it(known));
        let found = found.filter(|(known, _)| after.is_none_or(|after| known.path.as_str() > after));
        found.take(most).map(|(known, blob)| (known.path.clone(), blob.clone())).collect()
    }

    /// Names of the same, without their content.
    pub(crate) fn names(&self, start: &Location) -> Vec<String> {
        self.list(start, None, usize::MAX).into_iter().map(|(name, _)| name).collect()
    }

    /// Keeps a block until a list of blocks makes a blob of it.
    pub(crate) fn stage(&self, place: &Location, block: &str, content: Bytes) {
        let file = self.keep.content(&content);
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        self.keep.put(|| block_key(place, block), &StoredBlock { place: place.clone(), block: block.to_owned(), file });
        staged.entry(place.clone()).or_default().insert(block.to_owned(), content);
    }

    /// The content that a list of blocks stands for; `None` when one was never staged.
    pub(crate) fn assemble(&self, place: &Location, blocks: &[String]) -> Option<Bytes> {
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        let known = staged.get(place);
        let sizes = blocks.iter().map(|block| known?.get(block).map(Bytes::len));
        let mut content = Vec::with_capacity(sizes.sum::<Option<usize>>()?);
        // They stay written down until the blob is; of what may be gigabytes there are never two.
        let mut known = staged.remove(place).unwrap_or_default();
        for (at, block) in blocks.iter().enumerate() {
            let again = blocks.iter().skip(at + 1).any(|later| later == block);
            let bytes = if again { known.get(block).cloned() } else { known.remove(block) };
            content.extend_from_slice(&bytes.unwrap_or_default());
        }
        Some(content.into())
    }
}

fn etag() -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!("\"0x{}\"", id.get(..16).unwrap_or_default().to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(container: &str, path: &str) -> Location {
        Location { account: "acct".into(), container: container.into(), path: path.into() }
    }

    fn put(blobs: &Blobs, place: &Location, anew: bool) -> Result<Blob, Exists> {
        blobs.put(place, Bytes::from_static(b"x"), "text/plain", BTreeMap::new(), anew, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_list_is_of_one_container_and_goes_on_after_a_name() {
        let blobs = Blobs::default();
        for (container, path) in [("a", "d/1"), ("a", "d/2"), ("a", "e/1"), ("ab", "d/3")] {
            put(&blobs, &place(container, path), false).unwrap();
        }
        assert_eq!(blobs.names(&place("a", "d/")), ["d/1", "d/2"]);
        let rest = blobs.list(&place("a", ""), Some("d/1"), 1);
        assert_eq!(rest[0].0, "d/2");
    }

    #[test]
    fn a_blob_is_made_anew_once() {
        let blobs = Blobs::default();
        let first = put(&blobs, &place("a", "x"), true).unwrap();
        assert_eq!(put(&blobs, &place("a", "x"), true), Err(Exists));
        assert_ne!(put(&blobs, &place("a", "x"), false).unwrap().etag, first.etag);
        assert!(blobs.remove(&place("a", "x")));
        assert!(!blobs.remove(&place("a", "x")));
    }

    #[test]
    fn blocks_become_a_blob_in_the_order_of_their_list() {
        let blobs = Blobs::default();
        let place = place("a", "x");
        blobs.stage(&place, "1", Bytes::from_static(b"b"));
        blobs.stage(&place, "2", Bytes::from_static(b"a"));
        assert_eq!(blobs.assemble(&place, &["3".into()]), None);
        assert_eq!(blobs.assemble(&place, &["2".into(), "1".into()]).unwrap(), Bytes::from_static(b"ab"));
    }
}
