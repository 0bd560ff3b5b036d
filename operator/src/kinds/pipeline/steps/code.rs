//! A command step's files: of a ConfigMap, or of the web.

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::sync::Arc;

use azureml_crds::pipeline::{AmlPipelineSpec, CodeFiles};
use azureml_crds::reasons;
use bytes::Bytes;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Place;
use super::environment::{inline, missing_map};
use crate::context::Context;
use crate::error::{Error, Halt};
use crate::fetch::work::Progress;
use crate::fetch::{FetchError, Fetched, Fetcher};

/// The bytes that code from the web may have when it is unpacked: it is held in memory while it is registered.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// How many files it may have.
const MAX_FILES: usize = 2000;
/// What a zip file begins with.
const ZIP: &[u8] = b"PK\x03\x04";
/// The space of the UUIDs that snapshots are named by.
const SPACE: Uuid = Uuid::from_u128(0x51d3_9a0b_7e1f_4c2a_b6a8_0f5d_c3e4_7712);

/// A step's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The files, by path.
    pub files: Vec<(String, Bytes)>,
    /// SHA-256 over names and bytes.
    pub sha256: String,
}

impl Snapshot {
    /// A snapshot of these files.
    #[must_use]
    pub fn new(mut files: Vec<(String, Bytes)>) -> Self {
        files.sort_by(|one, other| one.0.cmp(&other.0));
        let sums: Vec<(&str, String)> = files.iter().map(|(name, bytes)| (name.as_str(), hex(bytes))).collect();
        let sha256 = hex(json!(sums).to_string().as_bytes());
        Self { files, sha256 }
    }

    /// The name under which it is registered: a GUID that follows from the content, as azure-ai-ml makes it.
    #[must_use]
    pub fn name(&self) -> String {
        Uuid::new_v5(&SPACE, self.sha256.as_bytes()).to_string()
    }

    /// The code version below the workspace.
    #[must_use]
    pub fn path(&self) -> String {
        format!("codes/{}/versions/{}", self.name(), Self::version())
    }

    /// The one version of a snapshot: other content has another name.
    #[must_use]
    pub fn version() -> &'static str {
        "1"
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

/// The digests of what a definition's steps take from ConfigMaps: a part of what the definition is.
///
/// # Errors
/// A halt that waits for a ConfigMap.
pub async fn digests(
    context: &Context,
    namespace: &str,
    spec: &AmlPipelineSpec,
) -> Result<BTreeMap<String, String>, Error> {
    let mut all = BTreeMap::new();
    for step in &spec.steps {
        let Some(command) = &step.command else { continue };
        if let Some(map) = command.code.as_ref().and_then(|code| code.config_map_ref.as_ref()) {
            let snapshot = of_map(context, namespace, &step.name, &map.name).await?;
            all.insert(format!("{}/code", step.name), snapshot.sha256);
        }
        if let Some(described) = &command.inline_environment {
            let environment = inline(context, namespace, &step.name, described).await?;
            all.insert(format!("{}/environment", step.name), environment.version());
        }
    }
    Ok(all)
}

/// The files of a step.
///
/// # Errors
/// A halt that waits for what is missing or still on its way.
pub async fn read(
    context: &Context,
    place: Place<'_>,
    namespace: &str,
    step: &str,
    files: &CodeFiles,
) -> Result<Snapshot, Error> {
    if let Some(map) = &files.config_map_ref {
        return of_map(context, namespace, step, &map.name).await;
    }
    Ok(of_web(context, place, step, files.url.as_deref().unwrap_or_default())?)
}

async fn of_map(context: &Context, namespace: &str, step: &str, name: &str) -> Result<Snapshot, Error> {
    let field = format!("spec.steps[{step}].command.code.configMapRef");
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), namespace);
    let map = api.get_opt(name).await?.ok_or_else(|| missing_map(&field, name, namespace))?;
    let texts = map.data.unwrap_or_default().into_iter().map(|(name, text)| (name, Bytes::from(text)));
    let bytes = map.binary_data.unwrap_or_default().into_iter().map(|(name, bytes)| (name, Bytes::from(bytes.0)));
    let files: Vec<(String, Bytes)> = texts.chain(bytes).collect();
    if files.is_empty() {
        return Err(Halt::wait(
            reasons::SOURCE_INVALID,
            format!("{field}: ConfigMap {name:?} holds no file. Add a key for each file."),
        )
        .into());
    }
    Ok(Snapshot::new(files))
}

/// Code of the web, fetched once for an object; while it is fetched, the object waits.
fn of_web(context: &Context, place: Place<'_>, step: &str, url: &str) -> Result<Snapshot, Halt> {
    let work = &context.fetcher.work;
    let name = kept(place.uid, step);
    if let Some(snapshot) = work.kept::<Snapshot>(&name) {
        return Ok((*snapshot).clone());
    }
    let field = format!("spec.steps[{step}].command.code.url {url}");
    match work.progress::<Result<Snapshot, Halt>>(&name) {
        Progress::Done(Ok(snapshot)) => {
            work.keep(&name, Arc::new(snapshot.clone()));
            return Ok(snapshot);
        }
        Progress::Done(Err(halt)) => return Err(halt),
        Progress::Running => {}
        Progress::None => {
            let (wakers, key) = (context.wakers.clone(), place.waker.clone());
            let fetched = fetch(context.fetcher.clone(), field.clone(), url.to_owned());
            work.start(&name, fetched, move || wakers.wake(key));
        }
    }
    Err(Halt::wait(reasons::PROGRESSING, format!("{field} is being fetched.")))
}

fn kept(uid: &str, step: &str) -> String {
    format!("code/{uid}/{step}")
}

/// Drops what was fetched for an object.
pub fn forget(context: &Context, uid: &str) {
    context.fetcher.work.drop_kept_below(&kept(uid, ""));
}

async fn fetch(fetcher: Fetcher, field: String, url: String) -> Result<Snapshot, Halt> {
    let download = match fetcher.fetch(&url, None).await {
        Ok(Fetched::Whole(download)) => download,
        Ok(Fetched::Unchanged) => {
            return Err(Halt::retry(reasons::SOURCE_UNAVAILABLE, format!("{field} sent nothing. It is tried again.")));
        }
        Err(error) => return Err(refused(&field, &error)),
    };
    let name = download.name.clone();
    let unpacked = tokio::task::spawn_blocking(move || unpack(download.file.as_file(), &name)).await;
    let files = match unpacked {
        Ok(files) => files,
        Err(error) => Err(error.to_string()),
    };
    files.map(Snapshot::new).map_err(|problem| {
        Halt::person(
            reasons::SOURCE_INVALID,
            format!("{field} {problem}. Put other files there, or correct the address."),
        )
    })
}

fn refused(field: &str, error: &FetchError) -> Halt {
    let message = format!("{field}: {error}.");
    match error {
        FetchError::Refused(_) | FetchError::Address(..) => {
            Halt::person(reasons::SOURCE_FORBIDDEN, format!("{message} Write another address."))
        }
        FetchError::Missing { .. } | FetchError::Redirects(_) => {
            Halt::person(reasons::SOURCE_NOT_FOUND, format!("{message} Correct the address, or put the file there."))
        }
        FetchError::TooLarge(_) => Halt::person(reasons::SOURCE_INVALID, message),
        FetchError::Trouble { .. } | FetchError::NoAnswer { .. } | FetchError::TooSlow(_) | FetchError::Disk(_) => {
            Halt::retry(reasons::SOURCE_UNAVAILABLE, format!("{message} It is tried again."))
        }
    }
}

/// The files in what was fetched: those of a zip file, or the one file itself.
fn unpack(file: &std::fs::File, name: &str) -> Result<Vec<(String, Bytes)>, String> {
    let broken = |error: std::io::Error| format!("can't be read back: {error}");
    let mut file = file.try_clone().map_err(broken)?;
    file.rewind().map_err(broken)?;
    let mut begin = Vec::new();
    (&mut file).take(ZIP.len() as u64).read_to_end(&mut begin).map_err(broken)?;
    file.rewind().map_err(broken)?;
    if begin != ZIP {
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(broken)?;
        return bounded(bytes.len() as u64, 1).map(|()| vec![(name.to_owned(), bytes.into())]);
    }
    let unreadable = |error: zip::result::ZipError| format!("is no zip file that can be read: {error}");
    let mut archive = zip::ZipArchive::new(file).map_err(unreadable)?;
    let (mut files, mut size) = (Vec::new(), 0_u64);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(unreadable)?;
        if !entry.is_file() {
            continue;
        }
        let path = entry.enclosed_name().and_then(|path| path.to_str().map(|path| path.replace('\\', "/")));
        let path = path.ok_or_else(|| format!("holds a file outside itself, {:?}", entry.name()))?;
        let mut bytes = Vec::new();
        // What the archive says of sizes is not believed.
        let left = MAX_BYTES.saturating_sub(size);
        (&mut entry).take(left + 1).read_to_end(&mut bytes).map_err(broken)?;
        size += bytes.len() as u64;
        files.push((path, bytes.into()));
        bounded(size, files.len())?;
    }
    if files.is_empty() { Err("holds no file".to_owned()) } else { Ok(files) }
}

fn bounded(size: u64, files: usize) -> Result<(), String> {
    if size > MAX_BYTES || files > MAX_FILES {
        return Err(format!("unpacks to more than {} MiB or {MAX_FILES} files", MAX_BYTES / 1024 / 1024));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn zipped(files: &[(&str, &str)]) -> std::fs::File {
        let mut writer = zip::ZipWriter::new(tempfile::tempfile().unwrap());
        for (name, text) in files {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn a_zip_file_is_unpacked_and_any_other_file_lies_there_as_it_is() {
        let files = unpack(&zipped(&[("b/two.py", "2"), ("one.py", "1")]), "x.zip").unwrap();
        let snapshot = Snapshot::new(files);
        let names: Vec<&str> = snapshot.files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b/two.py", "one.py"]);
        let mut plain = tempfile::tempfile().unwrap();
        plain.write_all(b"echo").unwrap();
        assert_eq!(unpack(&plain, "run.sh").unwrap(), [("run.sh".to_owned(), Bytes::from("echo"))]);
    }

    #[test]
    fn a_zip_file_that_leads_out_of_itself_is_refused() {
        let problem = unpack(&zipped(&[("../evil.py", "1")]), "x.zip").unwrap_err();
        assert!(problem.contains("outside itself"), "{problem}");
    }

    #[test]
    fn a_snapshot_is_named_by_its_content() {
        let of = |files: &[(&str, &'static str)]| {
            Snapshot::new(
                files.iter().map(|(name, text)| ((*name).to_owned(), Bytes::from_static(text.as_bytes()))).collect(),
            )
        };
        let one = of(&[("a", "1"), ("b", "2")]);
        assert_eq!(one.path(), of(&[("b", "2"), ("a", "1")]).path());
        for other in [of(&[("a", "1")]), of(&[("a", "2"), ("b", "1")]), of(&[("a", "12"), ("b", "")])] {
            assert_ne!(one.path(), other.path());
        }
    }
}
