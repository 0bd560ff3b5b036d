//! What the API server wrote down of each write.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::{Result, While};

/// The audit log of an API server.
#[derive(Clone, Debug)]
pub struct Audit(PathBuf);

/// One write to the API server that it carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The verb: create, update, patch, delete.
    pub verb: String,
    /// The resource, with its subresource after a slash.
    pub resource: String,
    /// The namespace, empty for what has none.
    pub namespace: String,
    /// The object's name, empty where the server chose it.
    pub name: String,
    /// The status code of the answer.
    pub code: i64,
}

impl Audit {
    /// Of this file.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        Self(file)
    }

    /// Where it stands now, to ask for what comes after.
    #[must_use]
    pub fn position(&self) -> u64 {
        std::fs::metadata(&self.0).map_or(0, |metadata| metadata.len())
    }

    /// The writes of a ServiceAccount since a position, in the order of their ends.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn writes(&self, since: u64, namespace: &str, account: &str) -> Result<Vec<Write>> {
        let user = format!("system:serviceaccount:{namespace}:{account}");
        let entries = read(&self.0, since)?;
        Ok(entries.iter().filter(|entry| entry["user"]["username"] == *user).map(write).collect())
    }
}

fn read(file: &Path, since: u64) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(file).doing(file.display())?;
    let from = usize::try_from(since).unwrap_or(usize::MAX);
    // The last line may be half written.
    let whole = text.get(from..).unwrap_or_default().lines().filter_map(|line| serde_json::from_str(line).ok());
    Ok(whole.collect())
}

fn write(entry: &Value) -> Write {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let about = &entry["objectRef"];
    let subresource = about["subresource"].as_str().map(|name| format!("/{name}")).unwrap_or_default();
    Write {
        verb: text(&entry["verb"]),
        resource: format!("{}{subresource}", text(&about["resource"])),
        namespace: text(&about["namespace"]),
        name: text(&about["name"]),
        code: entry["responseStatus"]["code"].as_i64().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writes_of_one_account_since_a_position() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.log");
        let line = |user: &str, name: &str| {
            format!(
                r#"{{"verb":"patch","user":{{"username":"{user}"}},"objectRef":{{"resource":"amlmodels","subresource":"status","namespace":"a","name":"{name}"}},"responseStatus":{{"code":200}}}}"#
            )
        };
        let operator = "system:serviceaccount:x:operator";
        std::fs::write(&file, format!("{}\n", line(operator, "before"))).unwrap();
        let audit = Audit::new(file.clone());
        let since = audit.position();
        let later = format!("{}\n{}\n{}\n{{half", line(operator, "before"), line("admin", "m"), line(operator, "m"));
        std::fs::write(&file, later).unwrap();
        let expected = Write {
            verb: "patch".to_owned(),
            resource: "amlmodels/status".to_owned(),
            namespace: "a".to_owned(),
            name: "m".to_owned(),
            code: 200,
        };
        assert_eq!(audit.writes(since, "x", "operator").unwrap(), [expected]);
    }
}
