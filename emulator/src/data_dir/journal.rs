//! A file of changes. One line is one change of one or more records, with a checksum before it; a line that a crash tore
//! is the last one, and counts as never written.

use super::{Change, DataDirError};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A journal shorter than this is never rewritten.
const SMALL: usize = 1024 * 1024;
/// A journal that is this many times as long as what it holds is rewritten.
const BLOAT: usize = 4;
/// How often what was written is forced to the disk.
const SYNC: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct State {
    file: File,
    /// Records as they stand.
    live: BTreeMap<String, Arc<str>>,
    /// Length of all records that stand.
    held: usize,
    /// Length of the file.
    length: usize,
    unsynced: bool,
}

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    state: Arc<Mutex<State>>,
}

impl Journal {
    /// Reads the journal, or makes one.
    pub(super) fn open(path: &Path) -> Result<Self, DataDirError> {
        let failed = |source| DataDirError::File { path: path.to_owned(), source };
        let content = match std::fs::read(path) {
            Ok(content) => content,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        let (live, good) = replay(path, &content)?;
        if good < content.len() {
            tracing::warn!(journal = %path.display(), bytes = content.len() - good, "the last line was not written whole: it is dropped");
        }
        let file = private(path, false).and_then(|file| file.set_len(good as u64).map(|()| file)).map_err(failed)?;
        let held = live.iter().map(|(key, value)| key.len() + value.len()).sum();
        let mut state = State { file, live, held, length: good, unsynced: false };
        if state.is_bloated() {
            state.rewrite(path).map_err(failed)?;
        }
        let state = Arc::new(Mutex::new(state));
        keep_synced(&state);
        Ok(Self { path: path.to_owned(), state })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes changes as one; those that change nothing are left out.
    ///
    /// Ends the process when it can't: what would be answered from then on would not be kept.
    pub(super) fn write(&self, changes: Vec<Change>) {
        let mut state = self.lock();
        let written = state.write(changes).and_then(|()| match state.is_bloated() {
            true => state.rewrite(&self.path),
            false => Ok(()),
        });
        if let Err(error) = written {
            tracing::error!(journal = %self.path.display(), %error, "what changed can't be kept: ending. Make room on the disk and start again");
            std::process::exit(1);
        }
    }

    /// Keys that begin so.
    pub(super) fn keys(&self, prefix: &str) -> Vec<String> {
        self.read(prefix).into_iter().map(|(key, _)| key).collect()
    }

    /// Records whose keys begin so.
    pub(super) fn read(&self, prefix: &str) -> Vec<(String, Arc<str>)> {
        let state = self.lock();
        let found = state.live.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        found.map(|(key, value)| (key.clone(), Arc::clone(value))).collect()
    }
}

impl State {
    fn write(&mut self, changes: Vec<Change>) -> std::io::Result<()> {
        let new =
            changes.into_iter().filter(|(key, value)| self.live.get(key).map(|known| &**known) != value.as_deref());
        let new: Vec<Change> = new.collect();
        if new.is_empty() {
            return Ok(());
        }
        let line = line(new.iter().map(|(key, value)| (key.as_str(), value.as_deref())));
        self.file.write_all(&line)?;
        self.length += line.len();
        self.unsynced = true;
        for (key, value) in new {
            self.held += value.as_ref().map_or(0, |value| key.len() + value.len());
            self.held -= apply(&mut self.live, key, value);
        }
        Ok(())
    }

    fn is_bloated(&self) -> bool {
        self.length > SMALL && self.length > BLOAT * self.held
    }

    /// Writes what stands into a new file, which then takes this one's place.
    fn rewrite(&mut self, path: &Path) -> std::io::Result<()> {
        let part = path.with_extension("part");
        let mut file = private(&part, true)?;
        let mut length = 0;
        for (key, value) in &self.live {
            let line = line(std::iter::once((key.as_str(), Some(&**value))));
            file.write_all(&line)?;
            length += line.len();
        }
        file.sync_all()?;
        std::fs::rename(&part, path)?;
        (self.file, self.length, self.unsynced) = (file, length, false);
        Ok(())
    }
}

/// Opens a file for appending that its owner alone may read.
fn private(path: &Path, anew: bool) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    if anew {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    File::options().append(true).create(true).mode(0o600).open(path)
}

/// Changes one record; gives the length of what it was.
fn apply(live: &mut BTreeMap<String, Arc<str>>, key: String, value: Option<String>) -> usize {
    let length = key.len();
    let before = match value {
        Some(value) => live.insert(key, value.into()),
        None => live.remove(&key),
    };
    before.map_or(0, |before| length + before.len())
}

/// A change as a line: a checksum and `{"key": record or null, ...}`. Values are JSON already.
fn line<'a>(changes: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Vec<u8> {
    let mut body = String::from("{");
    for (n, (key, value)) in changes.enumerate() {
        if n > 0 {
            body.push(',');
        }
        body += &serde_json::Value::from(key).to_string();
        body.push(':');
        body += value.unwrap_or("null");
    }
    body.push('}');
    format!("{} {body}\n", checksum(body.as_bytes())).into_bytes()
}

fn checksum(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The records of a journal, and the length of what of it is whole.
fn replay(path: &Path, content: &[u8]) -> Result<(BTreeMap<String, Arc<str>>, usize), DataDirError> {
    let mut live = BTreeMap::new();
    let mut good = 0;
    for (n, line) in content.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let Some(changes) = read_line(line) else {
            let last = good + line.len() == content.len();
            match last {
                true => break,
                false => return Err(DataDirError::Damaged { path: path.to_owned(), line: n + 1 }),
            }
        };
        for (key, value) in changes {
            apply(&mut live, key, value.map(|value| value.to_string()));
        }
        good += line.len();
    }
    Ok((live, good))
}

/// Records by key; none for what was removed.
type Read = BTreeMap<String, Option<serde_json::Value>>;

/// The changes of a line that is whole.
fn read_line(line: &[u8]) -> Option<Read> {
    let line = line.strip_suffix(b"\n")?;
    let at = line.iter().position(|byte| *byte == b' ')?;
    let (sum, body) = (line.get(..at)?, line.get(at + 1..)?);
    if sum != checksum(body).as_bytes() {
        return None;
    }
    serde_json::from_slice(body).ok()
}

/// Forces what was written to the disk once in a while, for as long as the journal is used.
fn keep_synced(state: &Arc<Mutex<State>>) {
    let state = Arc::downgrade(state);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(SYNC);
            let Some(state) = state.upgrade() else { return };
            let mut held = state.lock().unwrap_or_else(PoisonError::into_inner);
            if !std::mem::take(&mut held.unsynced) {
                continue;
            }
            let file = held.file.try_clone();
            drop(held);
            if let Err(error) = file.and_then(|file| file.sync_data()) {
                tracing::warn!(%error, "the journal can't be forced to the disk");
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn change(key: &str, value: Option<&str>) -> Change {
        (key.to_owned(), value.map(str::to_owned))
    }

    fn records(journal: &Journal) -> Vec<(String, String)> {
        journal.read("").into_iter().map(|(key, value)| (key, value.to_string())).collect()
    }

    #[test]
    fn a_torn_last_line_counts_as_never_written_and_a_damaged_one_before_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let journal = Journal::open(&path).unwrap();
        journal.write(vec![change("a", Some("1")), change("b", Some("\"x\""))]);
        journal.write(vec![change("a", Some("2")), change("b", None)]);
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for cut in first..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let journal = Journal::open(&path).unwrap();
            assert_eq!(records(&journal), [("a".into(), "1".into()), ("b".into(), "\"x\"".into())], "{cut}");
            journal.write(vec![change("c", Some("3"))]);
            drop(journal);
            assert_eq!(records(&Journal::open(&path).unwrap()).len(), 3, "{cut}");
        }
        let mut damaged = whole;
        damaged[first / 2] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        assert!(matches!(Journal::open(&path), Err(DataDirError::Damaged { line: 1, .. })));
    }

    #[test]
    fn a_journal_is_rewritten_when_most_of_it_is_of_the_past() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let journal = Journal::open(&path).unwrap();
        let long = format!("\"{}\"", "x".repeat(10_000));
        for n in 0..500 {
            journal.write(vec![change("a", Some(&long)), change("n", Some(&n.to_string()))]);
        }
        let length = std::fs::metadata(&path).unwrap().len();
        assert!(length < 2 * SMALL as u64, "{length}");
        drop(journal);
        assert_eq!(records(&Journal::open(&path).unwrap())[1], ("n".into(), "499".into()));
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(changes in prop::collection::vec(("[a-c\t\"]{1,2}", prop::option::of(0..9u8)), 0..30)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("journal");
            let journal = Journal::open(&path).unwrap();
            let mut expected = BTreeMap::new();
            for (key, value) in changes {
                match value {
                    Some(value) => expected.insert(key.clone(), value.to_string()),
                    None => expected.remove(&key),
                };
                journal.write(vec![(key, value.map(|value| value.to_string()))]);
            }
            drop(journal);
            let read: BTreeMap<_, _> = records(&Journal::open(&path).unwrap()).into_iter().collect();
            prop_assert_eq!(read, expected);
        }
    }
}
