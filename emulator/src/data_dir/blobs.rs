//! Contents of blobs, as files named after their SHA-256.

use super::{DataDir, DataDirError, Keep};
use crate::run_history::run::Location;
use axum::body::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;

/// A blob as it is kept: all but its content.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredBlob {
    pub(crate) place: Location,
    pub(crate) file: String,
    pub(crate) content_type: String,
    pub(crate) etag: String,
    pub(crate) created: jiff::Timestamp,
    pub(crate) modified: jiff::Timestamp,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// A block that is no part of a blob yet.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredBlock {
    pub(crate) place: Location,
    pub(crate) block: String,
    pub(crate) file: String,
}

impl Keep {
    /// Writes a content; gives the name of its file. Empty when nothing is kept.
    pub(crate) fn content(&self, content: &Bytes) -> String {
        let Some(open) = &self.0 else { return String::new() };
        open.write_content(content).unwrap_or_else(|error| {
            tracing::error!(folder = %open.folder.display(), %error, "a blob can't be kept: ending. Make room on the disk and start again");
            std::process::exit(1);
        })
    }

    /// The content of a file, if it is whole.
    pub(super) fn read_content(&self, file: &str) -> Option<Bytes> {
        let content = std::fs::read(self.0.as_ref()?.blob(file)).ok()?;
        (name(&content) == file).then(|| content.into())
    }

    /// Removes the files of contents that nothing refers to.
    pub(super) fn sweep(&self, used: &BTreeSet<String>) -> Result<(), DataDirError> {
        let Some(open) = &self.0 else { return Ok(()) };
        let folder = open.folder.join("blobs");
        let failed = |source| DataDirError::File { path: folder.clone(), source };
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if !used.contains(&*entry.file_name().to_string_lossy()) {
                std::fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }
}

impl DataDir {
    fn blob(&self, file: &str) -> PathBuf {
        self.folder.join("blobs").join(file)
    }

    fn write_content(&self, content: &Bytes) -> std::io::Result<String> {
        let name = name(content);
        let path = self.blob(&name);
        if path.exists() {
            return Ok(name);
        }
        // A name of its own: the same content may be written twice at a time.
        let part = self.blob(&format!("{}.part", uuid::Uuid::new_v4()));
        let mut file = std::fs::File::create(&part)?;
        file.write_all(content)?;
        file.sync_data()?;
        std::fs::rename(&part, &path)?;
        Ok(name)
    }
}

fn name(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_kept_once_and_goes_when_nothing_refers_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::open(folder.path()).unwrap();
        let (first, second) = (keep.content(&Bytes::from_static(b"a")), keep.content(&Bytes::from_static(b"b")));
        assert_eq!(first, keep.content(&Bytes::from_static(b"a")));
        assert_eq!(keep.read_content(&first).unwrap(), Bytes::from_static(b"a"));
        keep.sweep(&BTreeSet::from([second.clone()])).unwrap();
        assert_eq!(keep.read_content(&first), None);
        std::fs::write(folder.path().join("blobs").join(&second), b"torn").unwrap();
        assert_eq!(keep.read_content(&second), None);
    }
}
