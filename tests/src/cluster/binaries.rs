//! The programs of the control plane: from `KUBEBUILDER_ASSETS` where that has them, else built from `tests/cluster`.

use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::HEXLOWER;
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

use crate::failure::{Failure, Result, While};
use crate::places;

/// What the one binary answers to.
const NAMES: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];
/// What the binary is made from.
const SOURCES: [&str; 3] = ["go.mod", "go.sum", "main.go"];

/// The programs of the control plane.
#[derive(Clone, Debug)]
pub struct Binaries {
    built: PathBuf,
    assets: Option<PathBuf>,
}

impl Binaries {
    /// Finds them, or builds them, which takes minutes the first time.
    ///
    /// # Errors
    /// When Go is missing or the build fails.
    pub fn find() -> Result<Self> {
        let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from).filter(|folder| folder.is_dir());
        let has = |name: &str| assets.as_ref().is_some_and(|folder| folder.join(name).is_file());
        if NAMES.iter().all(|name| has(name)) {
            return Ok(Self { built: PathBuf::new(), assets });
        }
        Ok(Self { built: build()?, assets })
    }

    /// The path of a program.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        let asset = self.assets.as_ref().map(|folder| folder.join(name)).filter(|path| path.is_file());
        asset.unwrap_or_else(|| self.built.join(name))
    }
}

/// The folder with the built binary under all its names, outside the checkout, named by what it is made from.
fn build() -> Result<PathBuf> {
    let module = places::root().join("tests/cluster");
    let folder = places::cache()?.join("cluster").join(fingerprint(&module)?);
    if folder.join(".complete").is_file() {
        return Ok(folder);
    }
    std::fs::create_dir_all(&folder).doing(folder.display())?;
    // Two builds at once would take twice the memory and no less time.
    let lock = crate::process::fresh_file(&folder.join(".lock"))?;
    flock(&lock, FlockOperation::LockExclusive).doing("waiting for another build of the control plane")?;
    if folder.join(".complete").is_file() {
        return Ok(folder);
    }
    let program = folder.join("control-plane");
    compile(&module, &program)?;
    for name in NAMES {
        let link = folder.join(name);
        if !link.exists() {
            std::os::unix::fs::symlink("control-plane", &link).doing(link.display())?;
        }
    }
    std::fs::write(folder.join(".complete"), "").doing(folder.display())?;
    Ok(folder)
}

fn fingerprint(module: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    for name in SOURCES {
        let path = module.join(name);
        hash.update(std::fs::read(&path).doing(path.display())?);
    }
    Ok(HEXLOWER.encode(&hash.finalize()[..10]))
}

fn compile(module: &Path, program: &Path) -> Result {
    eprintln!("Building etcd, kube-apiserver, kube-controller-manager and kubectl; the first time takes minutes.");
    let status = Command::new("go")
        .current_dir(module)
        .args(["build", "-trimpath", "-ldflags", &linker_flags(module)?, "-o"])
        .arg(program)
        .arg(".")
        .status()
        .doing("go build (is Go installed?)")?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("go build of tests/cluster: {status}"))) }
}

/// Without a version kubectl can't parse what the server says of itself.
fn linker_flags(module: &Path) -> Result<String> {
    let text = std::fs::read_to_string(module.join("go.mod")).doing("tests/cluster/go.mod")?;
    let version = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "))
        .and_then(|rest| rest.split_whitespace().next())
        .doing("k8s.io/kubernetes in tests/cluster/go.mod")?;
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let package = "k8s.io/component-base/version";
    Ok(format!("-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"))
}
