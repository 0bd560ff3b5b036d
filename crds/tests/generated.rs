//! The YAML beside the manifest is what the types give.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
fn the_definitions_are_as_generated() {
    let check = Command::new(env!("CARGO_BIN_EXE_crdgen")).arg("--check").output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

#[test]
fn the_files_read_back_as_the_definitions() {
    for definition in azureml_crds::definitions() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{}.yaml", definition.spec.names.plural));
        let read: Value = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(read, serde_json::to_value(&definition).unwrap(), "{}", path.display());
    }
}
