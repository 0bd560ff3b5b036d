//! Where things are: the checkout, the cache outside it, free ports.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Once;

use tempfile::TempDir;

use crate::failure::{Result, While};

/// The root of the checkout.
#[must_use]
pub fn root() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// What is kept between runs and checkouts: `azureml-operator` in the user's cache folder.
///
/// # Errors
/// When the user has no home.
pub fn cache() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => PathBuf::from(std::env::var_os("HOME").doing("HOME in the environment")?).join(".cache"),
    };
    Ok(base.join("azureml-operator"))
}

/// A folder for one part of this run, removed with its handle. All of them lie in one folder of the process, so that
/// whatever a process that was killed has left is found and removed by the next.
///
/// # Errors
/// When it can't be made.
pub fn scratch(part: &str) -> Result<TempDir> {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(sweep);
    let folder = own_scratch();
    std::fs::create_dir_all(&folder).doing(folder.display())?;
    tempfile::Builder::new().prefix(&format!("{part}-")).tempdir_in(&folder).doing(folder.display())
}

/// Where logs outlive the operators that wrote them, until the end of this process.
///
/// # Errors
/// When it can't be made.
pub fn kept_logs() -> Result<PathBuf> {
    let folder = own_scratch().join("kept");
    std::fs::create_dir_all(&folder).doing(folder.display())?;
    Ok(folder)
}

/// Removes all that [`scratch`] made in this process: for an end at which handles are not dropped.
///
/// # Errors
/// When it can't be removed.
pub fn clear_scratch() -> Result {
    remove(&own_scratch())
}

const SCRATCH: &str = "azureml-operator-run-";

fn own_scratch() -> PathBuf {
    std::env::temp_dir().join(format!("{SCRATCH}{}", std::process::id()))
}

/// Removes the folders of processes that are gone.
fn sweep() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(SCRATCH));
        if process.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            // One that can't be removed is another user's.
            let _ = remove(&entry.path());
        }
    }
}

/// A port that nothing listens on at the moment.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Removes a folder with all in it; one that is gone is no failure.
///
/// # Errors
/// When it can't be removed.
pub fn remove(folder: &Path) -> Result {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).doing(folder.display()),
        _ => Ok(()),
    }
}
