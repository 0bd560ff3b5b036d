//! A folder that keeps what the emulator holds, over restarts and crashes.
//!
//! `journal` has every change since it was last rewritten, one line a change, and all of it is read at the start.
//! `blobs/` has contents by their SHA-256, each written beside and then renamed. `lock` is held while a process uses the
//! folder; `format` says how to read it. What was answered is in the journal before the answer is sent: a killed process
//! loses nothing of it, and a machine that loses power the last second at most.

mod blobs;
mod journal;
mod restore;
mod resume;

pub(crate) use blobs::{StoredBlob, StoredBlock};
use journal::Journal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the folder is written. Raise it with a change that an older emulator would misread.
const FORMAT: u32 = 1;

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// A file can't be read or written.
    #[error("{path}: {source}. --data-dir takes a folder that can be written")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("{0} is in use by another azureml-emulator{1}: end that one, or choose another folder by --data-dir")]
    InUse(PathBuf, String),
    /// Somebody else's folder.
    #[error("{0} is not empty and no data folder of azureml-emulator: choose an empty or a new one by --data-dir")]
    Foreign(PathBuf),
    /// Of a newer emulator.
    #[error(
        "{path} was written by a newer azureml-emulator (format {found}; this one reads up to {FORMAT}): run that one, or choose another folder by --data-dir"
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// What its file says.
        found: String,
    },
    /// A line that is not the last can't be read.
    #[error(
        "{path}, line {line}: the journal is damaged here. Restore the folder from a copy, or remove this and all later lines to go on without them"
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A record that can't be understood.
    #[error("{path}: the record {key} can't be read: {source}. Restore the folder from a copy")]
    Record {
        /// The journal.
        path: PathBuf,
        /// Which.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A key that is kept is none.
    #[error("the signing key that is kept can't be used: {0}")]
    Key(#[from] crate::tokens::TokenError),
}

/// A change: a record by its key, or its removal.
pub(crate) type Change = (String, Option<String>);

/// The folder that is used, open.
pub(crate) struct DataDir {
    folder: PathBuf,
    journal: Journal,
    /// Held for as long as this lives.
    _lock: File,
}

/// Where stores write what they hold; nowhere when all is kept in memory alone. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Keep(Option<Arc<DataDir>>);

impl Keep {
    /// Opens a folder, or makes it.
    pub(crate) fn open(folder: &Path) -> Result<Self, DataDirError> {
        Ok(Self(Some(Arc::new(DataDir::open(folder)?))))
    }

    /// Whether anything is kept.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes changes down; they are there together or not at all.
    pub(crate) fn write(&self, changes: Vec<Change>) {
        if let Some(open) = &self.0 {
            open.journal.write(changes);
        }
    }

    /// Writes one record down.
    pub(crate) fn put(&self, key: impl FnOnce() -> String, record: &impl Serialize) {
        if self.is_on() {
            self.write(vec![(key(), text(record))]);
        }
    }

    /// Removes one record.
    pub(crate) fn remove(&self, key: impl FnOnce() -> String) {
        if self.is_on() {
            self.write(vec![(key(), None)]);
        }
    }

    /// Makes the records whose keys begin so exactly these.
    pub(crate) fn replace(&self, prefix: &str, records: impl FnOnce() -> Vec<(String, Option<String>)>) {
        let Some(open) = &self.0 else { return };
        let records = records();
        let gone = open.journal.keys(prefix).into_iter().filter(|key| !records.iter().any(|(known, _)| known == key));
        let gone: Vec<Change> = gone.map(|key| (key, None)).collect();
        open.journal.write(records.into_iter().chain(gone).collect());
    }

    /// Keys of records that begin so.
    pub(crate) fn keys(&self, prefix: &str) -> Vec<String> {
        self.0.as_ref().map(|open| open.journal.keys(prefix)).unwrap_or_default()
    }

    /// All records whose keys begin so.
    fn read<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<T>, DataDirError> {
        let Some(open) = &self.0 else { return Ok(Vec::new()) };
        let records = open.journal.read(prefix).into_iter();
        let parsed = records.map(|(key, text)| {
            serde_json::from_str(&text).map_err(|source| DataDirError::Record {
                path: open.journal.path(),
                key,
                source,
            })
        });
        parsed.collect()
    }
}

/// A record as it is written.
pub(crate) fn text(record: &impl Serialize) -> Option<String> {
    serde_json::to_string(record).inspect_err(|error| tracing::error!(%error, "a record can't be written")).ok()
}

impl DataDir {
    fn open(folder: &Path) -> Result<Self, DataDirError> {
        let failed = |path: &Path, source| DataDirError::File { path: path.to_owned(), source };
        make_private(folder).map_err(|source| failed(folder, source))?;
        let format = folder.join("format");
        match std::fs::read_to_string(&format) {
            Ok(found) if found.trim().parse::<u32>().is_ok_and(|found| found <= FORMAT) => {}
            Ok(found) => return Err(DataDirError::Newer { path: folder.to_owned(), found: found.trim().to_owned() }),
            Err(_) if is_foreign(folder).map_err(|source| failed(folder, source))? => {
                return Err(DataDirError::Foreign(folder.to_owned()));
            }
            Err(_) => {}
        }
        let lock = lock(folder)?;
        std::fs::create_dir_all(folder.join("blobs")).map_err(|source| failed(folder, source))?;
        std::fs::write(&format, format!("{FORMAT}\n")).map_err(|source| failed(&format, source))?;
        let journal = Journal::open(&folder.join("journal"))?;
        let open = Self { folder: folder.to_owned(), journal, _lock: lock };
        Ok(open)
    }
}

/// Makes a folder that its owner alone may read: it holds secrets.
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Whether a folder has anything that is not this program's.
fn is_foreign(folder: &Path) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        if !["lock", "tls", "blobs"].iter().any(|own| name == *own) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Holds a folder against other processes; a process that ends, however it does, lets it go.
fn lock(folder: &Path) -> Result<File, DataDirError> {
    let path = folder.join("lock");
    let failed = |source| DataDirError::File { path: path.clone(), source };
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = std::fs::read_to_string(&path).unwrap_or_default();
            let holder = if holder.trim().is_empty() { holder } else { format!(" (process {})", holder.trim()) };
            return Err(DataDirError::InUse(folder.to_owned(), holder));
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_process_s_and_of_a_known_format() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let first = Keep::open(&path).unwrap();
        first.put(|| "a".to_owned(), &1);
        assert!(matches!(Keep::open(&path), Err(DataDirError::InUse(..))));
        drop(first);
        assert_eq!(Keep::open(&path).unwrap().read::<u32>("a").unwrap(), [1]);
        std::fs::write(path.join("format"), "2\n").unwrap();
        let newer = Keep::open(&path).map(drop).unwrap_err().to_string();
        assert!(newer.contains("newer azureml-emulator (format 2"), "{newer}");
        std::fs::remove_file(path.join("format")).unwrap();
        assert!(matches!(Keep::open(&path), Err(DataDirError::Foreign(_))));
    }

    #[test]
    fn records_of_a_kind_are_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::open(folder.path()).unwrap();
        for (key, value) in [("e/a", 1), ("e/b", 2), ("f/a", 3)] {
            keep.put(|| key.to_owned(), &value);
        }
        keep.replace("e/", || vec![("e/b".to_owned(), text(&4))]);
        assert_eq!(keep.read::<u32>("e/").unwrap(), [4]);
        assert_eq!(keep.read::<u32>("f/").unwrap(), [3]);
    }
}
