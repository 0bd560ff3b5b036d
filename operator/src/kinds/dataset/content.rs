//! Content: its files, its digest, and the MLTable file that says how a table's files are read. Pure but for the files.

use std::sync::OnceLock;

use azureml_crds::dataset::{AmlDatasetSpec, DatasetType, Encoding, Header, TableOptions};
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

/// How many characters of the digest make a version.
const VERSION_LENGTH: usize = 12;

/// What a version is made from.
#[derive(Debug)]
pub struct Content {
    /// The files, in order of their names.
    pub parts: Vec<Part>,
    /// SHA-256 over bytes, type and table options.
    pub digest: String,
    /// Bytes in all.
    pub size: u64,
    /// What the source said of itself.
    pub tag: Option<String>,
    /// What was read: [`source_hash`].
    pub source_hash: String,
    /// A table's columns.
    pub columns: Vec<String>,
    /// Where it lies already, for what is not copied.
    pub lies_at: Option<String>,
    /// Where it was copied to: known once all of it is there.
    pub copied_to: OnceLock<String>,
}

/// A file.
#[derive(Debug)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Its bytes.
    pub body: Body,
}

/// Where a file's bytes are.
#[derive(Debug)]
pub enum Body {
    /// On disk.
    File(NamedTempFile),
    /// In memory; for what comes from the cluster, which is small.
    Bytes(Bytes),
}

impl Part {
    /// A file in memory.
    #[must_use]
    pub fn of_bytes(name: String, bytes: Vec<u8>) -> Self {
        Self { name, size: bytes.len() as u64, sha256: hex(&bytes), body: Body::Bytes(bytes.into()) }
    }
}

impl Content {
    /// The version that this content is registered as, unless the spec fixes one.
    #[must_use]
    pub fn version(&self) -> String {
        self.digest.chars().take(VERSION_LENGTH).collect()
    }

    /// The folder under which it is copied.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("azureml-operator/data/{}", self.digest)
    }

    /// The address of the copy in a datastore, as a version of this type names it.
    #[must_use]
    pub fn address(&self, type_: DatasetType, datastore: &str) -> String {
        let base = format!("azureml://datastores/{datastore}/paths/{}", self.folder());
        match (type_, self.parts.first()) {
            (DatasetType::File, Some(part)) => format!("{base}/{}", part.name),
            _ => format!("{base}/"),
        }
    }
}

/// The digest of content: of the files as `(name, SHA-256)`, the type, and how a table is read.
#[must_use]
pub fn digest(spec: &AmlDatasetSpec, files: &[(&str, &str)]) -> String {
    let table = (spec.type_ == DatasetType::Table).then(|| reading(spec.table.as_ref()));
    hex(json!({"type": spec.type_.azure(), "table": table, "files": files}).to_string().as_bytes())
}

/// Changes when something else is to be read, or in another way.
#[must_use]
pub fn source_hash(spec: &AmlDatasetSpec) -> String {
    let mut source = json!(spec.source);
    for kind in ["web", "datastore", "open"] {
        if let Some(fields) = source.get_mut(kind).and_then(Value::as_object_mut) {
            fields.remove("refreshInterval");
        }
    }
    let whole = json!({"type": spec.type_.azure(), "source": source, "table": spec.table});
    hex(whole.to_string().as_bytes()).chars().take(16).collect()
}

/// How a table is read: delimiter, encoding and header, in MLTable's words.
fn reading(options: Option<&TableOptions>) -> (String, &'static str, &'static str) {
    let delimiter = options.and_then(|options| options.delimiter.clone()).unwrap_or_else(|| ",".to_owned());
    let encoding = match options.and_then(|options| options.encoding).unwrap_or(Encoding::Utf8) {
        Encoding::Utf8 => "utf8",
        Encoding::Ascii => "ascii",
        Encoding::Iso88591 => "iso88591",
        Encoding::Latin1 => "latin1",
        Encoding::Utf16 => "utf16",
        Encoding::Windows1252 => "windows1252",
    };
    let header = match options.and_then(|options| options.header).unwrap_or(Header::AllFilesSame) {
        Header::AllFilesSame => "all_files_same_headers",
        Header::FromFirstFile => "from_first_file",
        Header::NoHeader => "no_header",
    };
    (delimiter, encoding, header)
}

/// A file beside the MLTable file, as its `paths` name it.
#[must_use]
pub fn beside(file: &str) -> Value {
    json!({"file": format!("./{file}")})
}

/// The MLTable file of a table's folder. JSON is YAML, and its quoting leaves no doubt about delimiters.
#[must_use]
pub fn mltable(options: Option<&TableOptions>, paths: &[Value]) -> Part {
    let (delimiter, encoding, header) = reading(options);
    let document = json!({
        "$schema": "https://azuremlschemas.azureedge.net/latest/MLTable.schema.json",
        "type": "mltable",
        "paths": paths,
        "transformations": [{"read_delimited": {"delimiter": delimiter, "encoding": encoding, "header": header}}],
    });
    let text = serde_json::to_string_pretty(&document).unwrap_or_default();
    Part::of_bytes("MLTable".to_owned(), (text + "\n").into_bytes())
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(more: &serde_json::Value) -> AmlDatasetSpec {
        let mut whole =
            json!({"workspaceRef": {"name": "w"}, "type": "Table", "source": {"web": {"url": "https://e.org/a.csv"}}});
        for (name, value) in more.as_object().unwrap() {
            whole[name] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn the_digest_is_over_bytes_type_and_table() {
        let plain = digest(&spec(&json!({})), &[("", "aa")]);
        assert_eq!(plain, digest(&spec(&json!({"table": {"delimiter": ",", "encoding": "utf8"}})), &[("", "aa")]));
        assert_ne!(plain, digest(&spec(&json!({})), &[("", "ab")]));
        assert_ne!(plain, digest(&spec(&json!({"type": "File"})), &[("", "aa")]));
        assert_ne!(plain, digest(&spec(&json!({"table": {"delimiter": ";"}})), &[("", "aa")]));
    }

    #[test]
    fn how_often_a_source_is_looked_at_is_not_what_is_read() {
        let often = json!({"source": {"web": {"url": "https://e.org/a.csv", "refreshInterval": "1h"}}});
        assert_eq!(source_hash(&spec(&often)), source_hash(&spec(&json!({}))));
        let other = json!({"source": {"web": {"url": "https://e.org/b.csv"}}});
        assert_ne!(source_hash(&spec(&other)), source_hash(&spec(&json!({}))));
    }

    #[test]
    fn the_mltable_file_names_every_file_and_how_it_is_read() {
        let options = TableOptions { delimiter: Some("\t".into()), ..TableOptions::default() };
        let part = mltable(Some(&options), &[beside("a.csv"), beside("b.csv")]);
        let Body::Bytes(bytes) = &part.body else { panic!("not in memory") };
        let read: serde_json::Value = serde_saphyr::from_str(std::str::from_utf8(bytes).unwrap()).unwrap();
        assert_eq!(read["paths"][1]["file"], "./b.csv");
        assert_eq!(read["transformations"][0]["read_delimited"]["delimiter"], "\t");
        assert_eq!(read["transformations"][0]["read_delimited"]["header"], "all_files_same_headers");
    }
}
