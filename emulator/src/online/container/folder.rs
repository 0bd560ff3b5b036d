//! Code and model of a container, as files of this machine.

use crate::jobs::ground::Ground;
use crate::run_history::run::Location;
use std::path::{Path, PathBuf};

/// A folder that goes with whoever holds it.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    model: PathBuf,
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

impl Folder {
    /// An empty one; the model lies below it at this path.
    pub(crate) fn new(model: &str) -> std::io::Result<Self> {
        let root = std::env::temp_dir().join(format!("azureml-emulator-{}", uuid::Uuid::new_v4()));
        let model = model.split('/').filter(|part| !part.is_empty() && *part != "..").collect::<PathBuf>();
        let folder = Self { model: root.join("azureml-models").join(model), root };
        std::fs::create_dir_all(folder.code())?;
        std::fs::create_dir_all(folder.model())?;
        Ok(folder)
    }

    /// Where the code is.
    pub(crate) fn code(&self) -> PathBuf {
        self.root.join("code")
    }

    /// What `AZUREML_MODEL_DIR` says.
    pub(crate) fn model(&self) -> &Path {
        &self.model
    }

    /// Copies what lies at a place: the files of a folder into `to`, a single file into it by its name. Tells how many.
    pub(crate) fn copy(ground: &dyn Ground, place: &Location, to: &Path) -> std::io::Result<usize> {
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        if let Some(bytes) = ground.read(place) {
            std::fs::write(to.join(name(&place.path)), bytes)?;
            return Ok(1);
        }
        let prefix = format!("{}/", place.path.trim_end_matches('/'));
        let mut copied = 0;
        for blob in ground.list(&Location { path: prefix.clone(), ..place.clone() }) {
            let Some(rest) = blob.strip_prefix(&prefix) else { continue };
            if rest.split('/').any(|part| part == ".." || part.is_empty()) {
                continue;
            }
            let file = to.join(rest);
            if let Some(parent) = file.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(file, ground.read(&Location { path: blob.clone(), ..place.clone() }).unwrap_or_default())?;
            copied += 1;
        }
        Ok(copied)
    }
}
