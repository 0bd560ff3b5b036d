//! The quick start of README.md works as it is written.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The blocks of code of the emulator's section, each with its language.
fn blocks() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, section) = text.split_once("\n## The emulator alone\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("\n```").skip(1).step_by(2);
    blocks.map(|block| block.split_once('\n').unwrap()).map(|(kind, code)| (kind.to_owned(), code.to_owned())).collect()
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A shell in a folder with the repository's examples, where `azureml-emulator` is this build's.
fn shell(folder: &Path, code: &str) -> Command {
    let programs = Path::new(env!("CARGO_BIN_EXE_azureml-emulator")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", code]).current_dir(folder).env("PATH", path).stdin(Stdio::null());
    command
}

#[test]
fn the_quick_start_works_as_it_is_written() {
    let blocks = blocks();
    let kinds: Vec<&str> = blocks.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["sh", "sh", "python"]);
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("examples"), folder.path().join("examples")).unwrap();
    // It is built already, and the port of the text may be somebody else's.
    let (install, serve) = blocks[0].1.split_once('\n').unwrap();
    assert_eq!(install, "cargo install --locked --path emulator");
    let serve = format!("exec {}", serve.replace("127.0.0.1:8443", "127.0.0.1:0"));
    let mut server = Server(shell(folder.path(), &serve).spawn().unwrap());
    let limit = Instant::now() + Duration::from_secs(60);
    while !folder.path().join("emulator-data/ready.json").exists() {
        assert!(server.0.try_wait().unwrap().is_none(), "it ended");
        assert!(Instant::now() < limit, "it does not serve");
        std::thread::sleep(Duration::from_millis(10));
    }
    let asked = shell(folder.path(), &blocks[1].1).output().unwrap();
    let told = String::from_utf8_lossy(&asked.stdout).into_owned();
    assert!(asked.status.success(), "{told} {}", String::from_utf8_lossy(&asked.stderr));
    assert!(told.contains("/data/scores/versions/1") && told.contains("<title>Azure ML emulator</title>"), "{told}");
}
