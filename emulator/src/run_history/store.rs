//! All runs of all workspaces.

use super::run::{Run, Status};
use crate::data_dir::Keep;
use azureml_emulator_learn::Cancel;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Runs of one workspace, in the order they were made.
#[derive(Debug, Default)]
struct Workspace {
    runs: BTreeMap<u64, Run>,
    /// Numbers by id.
    index: HashMap<String, u64>,
    /// Numbers of children by the parent's id.
    children: HashMap<String, Vec<u64>>,
    /// Flags of the runs under way, by the root's id.
    cancels: HashMap<String, Cancel>,
    next: u64,
}

impl Workspace {
    /// Puts a run that has its number in its place.
    fn insert(&mut self, run: Run) {
        self.next = self.next.max(run.number);
        self.index.insert(run.id.clone(), run.number);
        if let Some(parent) = &run.parent {
            self.children.entry(parent.clone()).or_default().push(run.number);
        }
        self.runs.insert(run.number, run);
    }
}

/// All runs. A workspace is known by its ARM id in lower case.
#[derive(Default)]
pub(crate) struct Runs {
    all: Mutex<HashMap<String, Workspace>>,
    keep: Keep,
}

/// A run as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredRun {
    workspace: String,
    run: Run,
}

/// The same, to be written.
#[derive(Serialize)]
struct Stored<'a> {
    workspace: &'a str,
    run: &'a Run,
}

/// What keys of records begin with.
pub(crate) const RUN: &str = "run\t";

fn key(workspace: &str, id: &str) -> String {
    format!("{RUN}{workspace}\t{id}")
}

impl Runs {
    /// None yet, written down somewhere.
    pub(crate) fn kept_by(keep: Keep) -> Self {
        Self { keep, ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Workspace>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, workspace: &str, run: &Run) {
        self.keep.put(|| key(workspace, &run.id), &Stored { workspace, run });
    }

    /// Puts back runs that were kept.
    pub(crate) fn restore(&self, mut stored: Vec<StoredRun>) {
        stored.sort_by_key(|stored| stored.run.number);
        let mut all = self.lock();
        for StoredRun { workspace, run } in stored {
            all.entry(workspace).or_default().insert(run);
        }
    }

    /// Jobs that have not ended, by workspace.
    pub(crate) fn under_way(&self) -> Vec<(String, Run)> {
        let all = self.lock();
        let open = |run: &&Run| run.job.is_some() && run.parent.is_none() && !run.status.is_terminal();
        let of = |(name, workspace): (&String, &Workspace)| -> Vec<(String, Run)> {
            workspace.runs.values().filter(open).map(|run| (name.clone(), run.clone())).collect()
        };
        all.iter().flat_map(of).collect()
    }

    /// Ends a run and all below it that have not ended.
    pub(crate) fn end_all(&self, workspace: &str, id: &str, status: Status, now: Timestamp) {
        for child in self.children(workspace, id) {
            self.end_all(workspace, &child.id, status, now);
        }
        self.change(workspace, id, |run| run.turn(status, now));
    }

    /// Removes all runs below a run.
    pub(crate) fn remove_below(&self, workspace: &str, id: &str) {
        for child in self.children(workspace, id) {
            self.remove(workspace, &child.id);
        }
    }

    /// Adds a run unless one of its id is there; tells whether it did.
    pub(crate) fn add(&self, name: &str, mut run: Run) -> bool {
        let mut all = self.lock();
        let workspace = all.entry(name.to_owned()).or_default();
        if workspace.index.contains_key(&run.id) {
            return false;
        }
        run.number = workspace.next + 1;
        self.note(name, &run);
        workspace.insert(run);
        true
    }

    /// A run by its id.
    pub(crate) fn get(&self, workspace: &str, id: &str) -> Option<Run> {
        let all = self.lock();
        let workspace = all.get(workspace)?;
        workspace.runs.get(workspace.index.get(id)?).cloned()
    }

    /// Changes a run.
    pub(crate) fn change<T>(&self, name: &str, id: &str, change: impl FnOnce(&mut Run) -> T) -> Option<T> {
        let mut all = self.lock();
        let workspace = all.get_mut(name)?;
        let number = workspace.index.get(id)?;
        let run = workspace.runs.get_mut(number)?;
        let changed = change(run);
        self.note(name, run);
        Some(changed)
    }

    /// The children of a run, in the order they were made.
    pub(crate) fn children(&self, workspace: &str, id: &str) -> Vec<Run> {
        let all = self.lock();
        let Some(workspace) = all.get(workspace) else { return Vec::new() };
        let numbers = workspace.children.get(id).into_iter().flatten();
        numbers.filter_map(|number| workspace.runs.get(number)).cloned().collect()
    }

    /// All runs that meet a condition, the newest first.
    pub(crate) fn find(&self, workspace: &str, condition: impl Fn(&Run) -> bool) -> Vec<Run> {
        let all = self.lock();
        let runs = all.get(workspace).map(|workspace| workspace.runs.values().rev());
        runs.into_iter().flatten().filter(|run| condition(run)).cloned().collect()
    }

    /// Removes a run with all below it.
    pub(crate) fn remove(&self, name: &str, id: &str) {
        let mut all = self.lock();
        let Some(workspace) = all.get_mut(name) else { return };
        let mut doomed = vec![id.to_owned()];
        while let Some(id) = doomed.pop() {
            self.keep.remove(|| key(name, &id));
            let removed = workspace.index.remove(&id).and_then(|number| workspace.runs.remove(&number));
            if let Some(run) = removed
                && let Some(siblings) = run.parent.and_then(|parent| workspace.children.get_mut(&parent))
            {
                siblings.retain(|number| *number != run.number);
            }
            let children = workspace.children.remove(&id).unwrap_or_default();
            doomed.extend(children.iter().filter_map(|number| workspace.runs.get(number)).map(|run| run.id.clone()));
        }
    }

    /// Removes all runs of a workspace, and stops those under way.
    pub(crate) fn forget(&self, name: &str) {
        let mut all = self.lock();
        if let Some(workspace) = all.remove(name) {
            if self.keep.is_on() {
                self.keep.write(workspace.index.keys().map(|id| (key(name, id), None)).collect());
            }
            workspace.cancels.values().for_each(Cancel::cancel);
        }
    }

    /// Remembers the flag that stops a run.
    pub(crate) fn begin(&self, workspace: &str, root: &str) -> Cancel {
        let cancel = Cancel::new();
        self.lock().entry(workspace.to_owned()).or_default().cancels.insert(root.to_owned(), cancel.clone());
        cancel
    }

    /// Forgets it.
    pub(crate) fn end(&self, workspace: &str, root: &str) {
        if let Some(workspace) = self.lock().get_mut(workspace) {
            workspace.cancels.remove(root);
        }
    }

    /// Asks a run to stop; tells whether it was under way.
    pub(crate) fn cancel(&self, name: &str, id: &str, now: Timestamp) -> bool {
        let mut all = self.lock();
        let Some(workspace) = all.get_mut(name) else { return false };
        let Some(run) = workspace.index.get(id).and_then(|number| workspace.runs.get_mut(number)) else { return false };
        if run.status.is_terminal() {
            return false;
        }
        run.turn(Status::CancelRequested, now);
        self.note(name, run);
        let root = run.root.clone();
        workspace.cancels.get(&root).inspect(|cancel| cancel.cancel()).is_some()
    }
}
