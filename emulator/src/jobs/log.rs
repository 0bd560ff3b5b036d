//! Log files of runs: artifacts that grow while a run is under way.

use super::Underway;
use crate::run_history::run::Location;
use std::path::Path;
use std::time::Duration;

/// How often a file that is written is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Lines of a log that its run's error quotes.
const QUOTED: usize = 5;

/// A log file of a run.
pub(super) struct Log {
    under: Underway,
    place: Option<Location>,
}

impl Log {
    /// The log file of this name; nothing is in it yet.
    pub(super) fn of(under: &Underway, name: &str) -> Self {
        let run = under.jobs.runs().get(&under.workspace, &under.run);
        Self { under: under.clone(), place: run.map(|run| run.artifacts.join(name)) }
    }

    /// Adds a line with the time.
    pub(super) fn say(&self, line: &str) {
        let Some(place) = &self.place else { return };
        let ground = self.under.jobs.ground();
        let mut text = ground.read(place).unwrap_or_default();
        text.extend_from_slice(format!("[{}] {line}\n", ground.now()).as_bytes());
        ground.write(place, text);
    }

    /// Keeps the artifact as long as the file that a process writes; never ends by itself.
    pub(super) async fn follow(&self, file: &Path) {
        let mut seen = 0;
        loop {
            tokio::time::sleep(LOOK).await;
            let size = std::fs::metadata(file).map_or(0, |file| file.len());
            if size != seen {
                self.copy(file);
                seen = size;
            }
        }
    }

    /// Makes the artifact what the file is.
    pub(super) fn copy(&self, file: &Path) {
        if let (Some(place), Ok(text)) = (&self.place, std::fs::read(file)) {
            self.under.jobs.ground().write(place, text);
        }
    }

    /// Its last lines.
    pub(super) fn tail(&self) -> String {
        let text = self.place.as_ref().and_then(|place| self.under.jobs.ground().read(place)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(QUOTED)..).unwrap_or_default().join("\n")
    }
}
