//! Writes the CustomResourceDefinitions beside this crate's manifest; `--check` fails where they differ.

use std::path::Path;
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let check = std::env::args().any(|argument| argument == "--check");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut stale = Vec::new();
    for definition in azureml_crds::definitions() {
        let path = folder.join(format!("{}.yaml", definition.spec.names.plural));
        let text = format!(
            "# Generated from crds/src by `make crds`; do not edit.\n{}",
            serde_saphyr::to_string(&definition)?
        );
        if std::fs::read_to_string(&path).ok().as_deref() == Some(text.as_str()) {
            continue;
        }
        if check {
            stale.push(path.display().to_string());
        } else {
            std::fs::write(&path, text)?;
        }
    }
    if stale.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("not as generated: {}\nrun `make crds` and commit the result", stale.join(", "));
    Ok(ExitCode::FAILURE)
}
