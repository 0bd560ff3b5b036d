//! All runs of all workspaces.

use super::run::{Run, Status};
use azureml_emulator_learn::Cancel;
use jiff::Timestamp;
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

/// All runs. A workspace is known by its ARM id in lower case.
#[derive(Debug, Default)]
pub(crate) struct Runs(Mutex<HashMap<String, Workspace>>);

impl Runs {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Workspace>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a run unless one of its id is there; tells whether it did.
    pub(crate) fn add(&self, workspace: &str, mut run: Run) -> bool {
        let mut all = self.lock();
        let workspace = all.entry(workspace.to_owned()).or_default();
        if workspace.index.contains_key(&run.id) {
            return false;
        }
        workspace.next += 1;
        run.number = workspace.next;
        workspace.index.insert(run.id.clone(), run.number);
        if let Some(parent) = &run.parent {
            workspace.children.entry(parent.clone()).or_default().push(run.number);
        }
        workspace.runs.insert(run.number, run);
        true
    }

    /// A run by its id.
    pub(crate) fn get(&self, workspace: &str, id: &str) -> Option<Run> {
        let all = self.lock();
        let workspace = all.get(workspace)?;
        workspace.runs.get(workspace.index.get(id)?).cloned()
    }

    /// Changes a run.
    pub(crate) fn change<T>(&self, workspace: &str, id: &str, change: impl FnOnce(&mut Run) -> T) -> Option<T> {
        let mut all = self.lock();
        let workspace = all.get_mut(workspace)?;
        let number = workspace.index.get(id)?;
        workspace.runs.get_mut(number).map(change)
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
    pub(crate) fn remove(&self, workspace: &str, id: &str) {
        let mut all = self.lock();
        let Some(workspace) = all.get_mut(workspace) else { return };
        let mut doomed = vec![id.to_owned()];
        while let Some(id) = doomed.pop() {
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
    pub(crate) fn forget(&self, workspace: &str) {
        if let Some(workspace) = self.lock().remove(workspace) {
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
    pub(crate) fn cancel(&self, workspace: &str, id: &str, now: Timestamp) -> bool {
        let mut all = self.lock();
        let Some(workspace) = all.get_mut(workspace) else { return false };
        let Some(run) = workspace.index.get(id).and_then(|number| workspace.runs.get_mut(number)) else { return false };
        if run.status.is_terminal() {
            return false;
        }
        run.turn(Status::CancelRequested, now);
        let root = run.root.clone();
        workspace.cancels.get(&root).inspect(|cancel| cancel.cancel()).is_some()
    }
}
