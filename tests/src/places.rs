//! Where things are: the checkout, the cache outside it, free ports.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

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
