//! The four ways by which data comes into a workspace, as every type and with every option of reading; how a change of
//! each is found; and what the operator may not be made to fetch.

use std::sync::Arc;

use azureml_operator_tests::api;
use azureml_operator_tests::azure_client::{AzureClient, Files};
use azureml_operator_tests::failure::{Failure, Result, While};
use azureml_operator_tests::operator::Options;
use azureml_operator_tests::scenario::Scenario;
use azureml_operator_tests::site::Site;
use azureml_operator_tests::world::World;
use serde_json::{Value, json};

use crate::small;
use crate::suite::Suite;

/// Adds the tests.
pub fn tests(suite: &mut Suite) {
    suite.add("ways_in::every_source_becomes_every_type_with_every_way_of_reading", every_way);
    suite.add("ways_in::a_change_is_found_by_what_the_source_tells_and_costs_no_download_otherwise", refreshed);
    suite.add("ways_in::shared_data_is_used_where_it_is_and_a_newer_version_is_followed", shared);
    suite.add("ways_in::nobody_makes_the_operator_fetch_what_it_may_not", forbidden);
    suite.add_alone("ways_in::a_large_file_is_copied_in_little_memory", large);
}

const VERSION: &str = "2025-12-01";

/// How tables are read: the options, what the MLTable file then says, and rows that are read so.
fn readings() -> Vec<(Value, [&'static str; 3], Vec<u8>)> {
    let utf16: Vec<u8> = "\u{feff}a;b\n1;2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        (Value::Null, [",", "utf8", "all_files_same_headers"], b"a,b\n1,2\n".to_vec()),
        (json!({"delimiter": ";"}), [";", "utf8", "all_files_same_headers"], b"a;b\n1;2\n".to_vec()),
        (
            json!({"delimiter": "\t", "encoding": "latin1", "header": "FromFirstFile"}),
            ["\t", "latin1", "from_first_file"],
            b"a\tb\nm\xfcde\t2\n".to_vec(),
        ),
        (
            json!({"delimiter": "|", "encoding": "ascii", "header": "NoHeader"}),
            ["|", "ascii", "no_header"],
            b"1|2\n3|4\n".to_vec(),
        ),
        (
            json!({"encoding": "windows1252", "header": "AllFilesSame"}),
            [",", "windows1252", "all_files_same_headers"],
            b"a,b\n\x80,2\n".to_vec(),
        ),
        (json!({"encoding": "iso88591"}), [",", "iso88591", "all_files_same_headers"], b"a,b\n1,2\n".to_vec()),
        (json!({"delimiter": ";", "encoding": "utf16"}), [";", "utf16", "all_files_same_headers"], utf16),
    ]
}

/// A dataset that is to come, and what has to lie behind it.
struct Expected {
    name: String,
    spec: Value,
    kind: &'static str,
    /// The content of the file, or of the first in the folder.
    content: Vec<u8>,
    /// Delimiter, encoding, header.
    reading: Option<[&'static str; 3]>,
}

fn spec(kind: &str, source: Value, table: &Value) -> Value {
    let mut spec = json!({"type": kind, "source": source});
    if !table.is_null() {
        spec["table"] = table.clone();
    }
    spec
}

async fn every_way(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "ways-in").await?;
    let azure = AzureClient::new(&scenario.emulator, &scenario.azure.principal).await?;
    let workspace = scenario.azure.place.workspace_id();
    let files = azure.files(&workspace, "workspaceblobstore").await?;
    let all = sources(&scenario, &files).await?;
    for expected in &all {
        scenario.put("AmlDataset", &expected.name, expected.spec.clone()).await?;
    }
    for expected in &all {
        let object = scenario.ready("AmlDataset", &expected.name).await?;
        check(&azure, &files, &workspace, expected, &object).await.doing(&expected.name)?;
    }
    // What would be read in two ways is refused.
    files
        .put("own/MLTable", "type: mltable\npaths: [{file: ./rows.csv}]\ntransformations: [{read_delimited: {}}]\n")
        .await?;
    let both =
        spec("Table", json!({"datastore": {"name": "workspaceblobstore", "path": "own"}}), &json!({"delimiter": ";"}));
    scenario.put("AmlDataset", "both", both).await?;
    scenario.tells("AmlDataset", "both", "SourceInvalid", &["MLTable", "spec.table", "remove one"]).await.map(|_| ())
}

/// Every way, every type, every reading.
async fn sources(scenario: &Scenario, files: &Files) -> Result<Vec<Expected>> {
    let mut all = Vec::new();
    let mut add = |name: String, kind: &'static str, source: Value, table: &Value, content: &[u8], reading| {
        all.push(Expected { name, spec: spec(kind, source, table), kind, content: content.to_vec(), reading });
    };
    for kind in ["File", "Folder", "Table"] {
        let readings = if kind == "Table" { readings() } else { readings()[..1].to_vec() };
        for (at, (table, reading, content)) in readings.iter().enumerate() {
            let reading = (kind == "Table").then_some(*reading);
            let suffix = format!("{}-{at}", kind.to_lowercase());
            let url = scenario.site.set(&format!("{}/{suffix}/rows.csv", scenario.namespace), content.clone());
            add(format!("web-{suffix}"), kind, json!({"web": {"url": url}}), table, content, reading);
            let encoded = data_encoding::BASE64.encode(content);
            let map = format!("local-{suffix}");
            scenario
                .apply(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": map},
                    "binaryData": {"rows.csv": encoded}}))
                .await?;
            add(map.clone(), kind, json!({"files": {"configMapRef": {"name": map}}}), table, content, reading);
            let path = format!("incoming/{suffix}");
            files.put(&format!("{path}/rows.csv"), content.clone()).await?;
            let path = if kind == "File" { format!("{path}/rows.csv") } else { path };
            let source = json!({"datastore": {"name": "workspaceblobstore", "path": path}});
            add(format!("store-{suffix}"), kind, source, table, content, reading);
        }
    }
    // A Secret is taken as a ConfigMap is; a path that brings its own MLTable file is taken as it is; and so is a file.
    let content = b"a,b\n1,2\n";
    scenario
        .apply(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "rows"},
            "data": {"rows.csv": data_encoding::BASE64.encode(content)}}))
        .await?;
    let reading = [",", "utf8", "all_files_same_headers"];
    add(
        "secret".to_owned(),
        "Table",
        json!({"files": {"secretRef": {"name": "rows"}}}),
        &Value::Null,
        content,
        Some(reading),
    );
    let own = "type: mltable\npaths: [{file: ./rows.csv}]\ntransformations: [{read_delimited: {delimiter: ',', encoding: utf8, header: all_files_same_headers}}]\n";
    files.put("own/rows.csv", content.to_vec()).await?;
    files.put("own/MLTable", own).await?;
    let source = |path: &str| json!({"datastore": {"name": "workspaceblobstore", "path": path}});
    add("store-own".to_owned(), "Table", source("own"), &Value::Null, content, Some(reading));
    add("store-one".to_owned(), "Table", source("own/rows.csv"), &Value::Null, content, Some(reading));
    Ok(all)
}

/// The version in Azure is of the type, leads to the content, and says how it is read.
async fn check(azure: &AzureClient, files: &Files, workspace: &str, expected: &Expected, object: &Value) -> Result {
    let id = object["status"]["assetId"].as_str().doing("assetId")?;
    let properties = azure.resource(id, VERSION).await?["properties"].clone();
    let kind = match expected.kind {
        "File" => "uri_file",
        "Folder" => "uri_folder",
        _ => "mltable",
    };
    let uri = properties["dataUri"].as_str().doing("dataUri")?;
    let differs = |what: &str, is: &dyn std::fmt::Debug| Err(Failure::new(format!("{what} is {is:?}: {properties}")));
    if properties["dataType"] != kind || object["status"]["uri"] != uri {
        return differs("dataType or uri", &object["status"]);
    }
    let path = |uri: &str| uri.split_once("/paths/").map(|(_, path)| path.trim_end_matches('/').to_owned());
    let place = path(uri).doing(uri)?;
    let mut first = if kind == "uri_file" { place.clone() } else { format!("{place}/rows.csv") };
    if let Some([delimiter, encoding, header]) = expected.reading {
        let text = String::from_utf8(files.get(&format!("{place}/MLTable")).await?).doing("MLTable")?;
        let table: Value = serde_saphyr::from_str(&text).doing(&text)?;
        let reading = json!({"delimiter": delimiter, "encoding": encoding, "header": header});
        if table["transformations"][0]["read_delimited"] != reading {
            return differs("MLTable", &text);
        }
        let named = table["paths"][0].as_object().and_then(|entry| entry.iter().next()).doing("paths")?;
        let named = (named.0.as_str(), named.1.as_str().unwrap_or_default());
        match named {
            ("file", "./rows.csv") => {}
            ("file", long) if long.starts_with("azureml://subscriptions/") => first = path(long).doing(long)?,
            ("folder", long) if long.starts_with("azureml://subscriptions/") && long.ends_with('/') => {
                first = format!("{}/rows.csv", path(long).doing(long)?);
            }
            other => return differs("paths", &other),
        }
    }
    if files.get(&first).await? != expected.content {
        return differs("content", &first);
    }
    if !id.to_lowercase().starts_with(&workspace.to_lowercase()) {
        return differs("assetId", &id);
    }
    Ok(())
}

fn version(object: &Value) -> String {
    object["status"]["version"].as_str().unwrap_or_default().to_owned()
}

/// Waits for another version than that.
async fn newer(scenario: &Scenario, name: &str, than: &str) -> Result<String> {
    let differs = |object: &Value| api::ready(object) && version(object) != than;
    Ok(version(&scenario.wait("AmlDataset", name, "waiting for another version", differs).await?))
}

/// Waits until the site was asked so often for a file since, and gives how often it said that nothing changed.
async fn asked(scenario: &Scenario, path: &str, times: u64) -> Result<(u64, u64)> {
    let before = scenario.site.hits(path);
    let deadline = tokio::time::Instant::now() + azureml_operator_tests::scenario::LIMIT;
    loop {
        let now = scenario.site.hits(path);
        if now.0 >= before.0 + times {
            return Ok((now.0 - before.0, now.1 - before.1));
        }
        if tokio::time::Instant::now() > deadline {
            return Err(Failure::new(format!("{path} was asked for {now:?} times, {before:?} before")));
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

async fn is_archived(azure: &AzureClient, workspace: &str, name: &str, version: &str) -> Result<bool> {
    let found = azure.resource(&format!("{workspace}/data/{name}/versions/{version}"), VERSION).await?;
    Ok(found["properties"]["isArchived"] == true)
}

async fn refreshed(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "refresh").await?;
    let azure = AzureClient::new(&scenario.emulator, &scenario.azure.principal).await?;
    let workspace = scenario.azure.place.workspace_id();
    let files = azure.files(&workspace, "workspaceblobstore").await?;
    let path = |name: &str| format!("{}/{name}.csv", scenario.namespace);
    let dates = ["Mon, 05 Jan 2026 00:00:00 GMT", "Tue, 06 Jan 2026 00:00:00 GMT"];
    let put = |name: &str, content: &str, date: &str| match name {
        "etag" => scenario.site.set(&path(name), content),
        "dated" => scenario.site.set_dated(&path(name), content, date),
        _ => scenario.site.set_untagged(&path(name), content),
    };
    let (one, two) = ("a,b\n1,2\n", "a,b\n3,4\n");
    let names = ["etag", "dated", "untagged"];
    let mut first = Vec::new();
    for name in names {
        let url = put(name, one, dates[0]);
        let source = json!({"web": {"url": url, "refreshInterval": "1s"}});
        let spec = json!({"type": "Table", "source": source, "versionHistory": {"keep": 1}});
        scenario.put("AmlDataset", name, spec).await?;
    }
    files.put("drop/a.csv", one).await?;
    let source = json!({"datastore": {"name": "workspaceblobstore", "path": "drop", "refreshInterval": "1s"}});
    scenario.put("AmlDataset", "drop", json!({"type": "Folder", "source": source})).await?;
    for name in names {
        first.push(version(&scenario.ready("AmlDataset", name).await?));
    }
    let dropped = version(&scenario.ready("AmlDataset", "drop").await?);
    // Nothing changed: a file that tells so is not sent again, one that does not is, and no version comes of it.
    let position = scenario.emulator.position().await?;
    for (name, told) in [("etag", true), ("dated", true), ("untagged", false)] {
        let (times, unchanged) = asked(&scenario, &path(name), 2).await?;
        if unchanged != if told { times } else { 0 } {
            return Err(Failure::new(format!("{name}: {unchanged} of {times} looks found it unchanged")));
        }
    }
    let writes = scenario.azure_writes_since(position).await?;
    if let Some(write) = writes.iter().find(|write| write.path.contains("/data/")) {
        return Err(Failure::new(format!("nothing changed, and there is {} {}", write.method, write.path)));
    }
    // Something changed: a new version, and of the old ones one is kept, which is the new one.
    for (name, first) in names.iter().zip(&first) {
        put(name, two, dates[1]);
        let second = newer(&scenario, name, first).await?;
        scenario
            .wait("AmlDataset", name, "waiting for the archive", |object| {
                object["status"]["versions"][1]["archived"] == true && api::ready(object)
            })
            .await?;
        if !is_archived(&azure, &workspace, name, first).await?
            || is_archived(&azure, &workspace, name, &second).await?
        {
            return Err(Failure::new(format!("{name}: of {first} and {second} not the older one alone is archived")));
        }
        // It comes back: it is the first version again, out of the archive.
        put(name, one, dates[0]);
        let again = newer(&scenario, name, &second).await?;
        if again != *first || is_archived(&azure, &workspace, name, first).await? {
            return Err(Failure::new(format!("{name}: what came back is {again} and not {first}, or it is archived")));
        }
        scenario.event("AmlDataset", "Reverted").await?;
    }
    // Names, sizes and ETags of a path: a file that is written anew, one that comes.
    files.put("drop/a.csv", two).await?;
    let written = newer(&scenario, "drop", &dropped).await?;
    files.put("drop/b.csv", one).await?;
    newer(&scenario, "drop", &written).await.map(|_| ())
}

async fn shared(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "shared").await?;
    let azure = AzureClient::new(&scenario.emulator, &scenario.azure.principal).await?;
    let place = &scenario.azure.place;
    let name = format!("reg{}", &place.subscription[..8]);
    let registry = format!("{}/providers/Microsoft.MachineLearningServices/registries/{name}", place.group_id());
    azure.put(&registry, VERSION, &json!({"location": place.location, "properties": {}})).await?;
    // What is shared lies in storage that is none of the workspace's datastores.
    let files = azure.files(&place.workspace_id(), "workspaceartifactstore").await?;
    let table = "type: mltable\npaths: [{file: ./rows.csv}]\ntransformations: [{read_delimited: {delimiter: ','}}]\n";
    files.put("shared/rows.csv", small::rows()).await?;
    files.put("shared/MLTable", table).await?;
    let publish = async |version: &str, kind: &str, path: &str| {
        let body = json!({"properties": {"dataType": kind, "dataUri": files.address(path)}});
        let asset = if kind == "mltable" { "rows" } else { "notes" };
        azure.put(&format!("{registry}/data/{asset}/versions/{version}"), VERSION, &body).await
    };
    publish("1", "mltable", "shared/").await?;
    publish("1", "uri_file", "shared/rows.csv").await?;
    let open = |asset: &str, more: Value| {
        let mut open = json!({"registry": name, "name": asset});
        open.as_object_mut()
            .into_iter()
            .for_each(|fields| fields.extend(more.as_object().cloned().unwrap_or_default()));
        json!({"open": open})
    };
    let latest = json!({"label": "latest", "refreshInterval": "1s"});
    let since = scenario.emulator.position().await?;
    scenario.put("AmlDataset", "rows", json!({"type": "Table", "source": open("rows", latest.clone())})).await?;
    let pinned = json!({"version": "1"});
    scenario.put("AmlDataset", "notes", json!({"type": "File", "source": open("notes", pinned.clone())})).await?;
    let address = |asset: &str, version: &str| format!("azureml://registries/{name}/data/{asset}/versions/{version}");
    for asset in ["rows", "notes"] {
        let object = scenario.ready("AmlDataset", asset).await?;
        if object["status"]["assetId"] != address(asset, "1") || object["status"]["version"] != "1" {
            return Err(Failure::new(format!("{asset}: {}", object["status"])));
        }
    }
    // A run reads it where it is.
    let parts = small::objects(&scenario).into_iter();
    let parts: Vec<Value> =
        parts.filter(|object| object["kind"] == "AmlCompute" || object["kind"] == "AmlPipeline").collect();
    scenario.apply_all(&parts).await?;
    let run = scenario.wait_any("AmlPipelineRun", "a run on shared data", api::ready).await?;
    if run["status"]["inputs"][0]["assetId"] != address("rows", "1") {
        return Err(Failure::new(format!("the run read {}", run["status"]["inputs"])));
    }
    publish("2", "mltable", "shared/").await?;
    newer(&scenario, "rows", "1").await?;
    let changed = |run: &Value| run["status"]["cause"] == "DatasetChange" && api::ready(run);
    let run = scenario.wait_any("AmlPipelineRun", "a run on the newer version", changed).await?;
    if run["status"]["inputs"][0]["assetId"] != address("rows", "2") {
        return Err(Failure::new(format!("the run read {}", run["status"]["inputs"])));
    }
    // What is not there, or of another type, is said.
    for (name, kind, source, words) in [
        (
            "nowhere",
            "File",
            json!({"open": {"registry": "nowhere", "name": "notes", "version": "1"}}),
            ["spec.source.open.registry", "nowhere"],
        ),
        ("no-asset", "File", open("nothing", json!({"label": "latest"})), ["spec.source.open.name", "nothing"]),
        ("no-version", "File", open("notes", json!({"version": "9"})), ["spec.source.open.version", "9"]),
    ] {
        scenario.put("AmlDataset", name, json!({"type": kind, "source": source})).await?;
        scenario.tells("AmlDataset", name, "SourceNotFound", &words).await?;
    }
    scenario.put("AmlDataset", "other-type", json!({"type": "Folder", "source": open("notes", pinned)})).await?;
    scenario.tells("AmlDataset", "other-type", "SourceInvalid", &["spec.type", "uri_file"]).await?;
    // Nothing was made in the workspace, and nothing is left to be deleted.
    scenario.delete("AmlDataset", "notes").await?;
    let own = |path: &str| path.contains("/workspaces/") && path.contains("/data/");
    let writes = scenario.azure_writes_since(since).await?;
    match writes.iter().find(|write| own(&write.path)) {
        None => Ok(()),
        Some(write) => Err(Failure::new(format!("there is {} {}", write.method, write.path))),
    }
}

async fn forbidden(world: Arc<World>) -> Result {
    let scenario = Scenario::start(&world, "forbidden").await?;
    // A site inside, which the configuration does not name.
    let inside = Site::start().await?;
    inside.set("secret.csv", "a,b\n1,2\n");
    let port = inside.host().rsplit_once(':').doing("a port")?.1.to_owned();
    let at = |host: &str| format!("https://{host}:{port}/secret.csv");
    let mut all: Vec<(String, String)> = [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "127.1",
        "0x7f.1",
        "2130706433",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "10.0.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "[fe80::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
    ]
    .iter()
    .enumerate()
    .map(|(number, host)| (format!("direct-{number}"), at(host)))
    .collect();
    all.push(("plain".to_owned(), "http://example.org/rows.csv".to_owned()));
    let targets =
        [at("127.0.0.1"), at("[::1]"), at("localhost"), "http://169.254.169.254/metadata/instance".to_owned()];
    for (number, target) in targets.iter().enumerate() {
        let path = format!("{}/sends-on-{number}", scenario.namespace);
        let last = scenario.site.redirect(&path, target);
        all.push((format!("redirect-{number}"), last.clone()));
        let first = scenario.site.redirect(&format!("{path}-twice"), &last);
        all.push((format!("redirect-{number}-twice"), first));
    }
    for (name, url) in &all {
        scenario.put("AmlDataset", name, json!({"type": "File", "source": {"web": {"url": url}}})).await?;
    }
    for (name, url) in &all {
        scenario.stalled("AmlDataset", name, "SourceForbidden").await.doing(url)?;
    }
    let refused =
        scenario.tells("AmlDataset", "direct-0", "SourceForbidden", &["spec.source.web.url", "--fetch-allow-hosts"]);
    refused.await?;
    let hits = inside.hits("secret.csv");
    if hits == (0, 0) { Ok(()) } else { Err(Failure::new(format!("the site inside was asked {hits:?} times"))) }
}

/// How large the large file is in bytes, unless `DATASET_BYTES` says otherwise (`make bench-dataset`: 2 GiB).
const LARGE: u64 = 256 * 1024 * 1024;
/// How much more memory the operator may take for it, in kB.
const GROWTH: u64 = 64 * 1024;

async fn large(world: Arc<World>) -> Result {
    let size = match std::env::var("DATASET_BYTES") {
        Ok(text) => text.parse().doing("DATASET_BYTES")?,
        Err(_) => LARGE,
    };
    let scenario = Scenario::lone(&world, "large").await?;
    // Every piece that goes over the wire would be a line of the log.
    let operator = scenario.operator_with(Options { log: "info", ..Options::only(&scenario.namespace) }).await?;
    scenario.apply(&scenario.azure.workspace("ml-ops")).await?;
    // Once with a small one: what everything takes for the first time is no part of the growth.
    let small = scenario.site.set(&format!("{}/small.bin", scenario.namespace), "x");
    scenario.put("AmlDataset", "small", json!({"type": "File", "source": {"web": {"url": small}}})).await?;
    operator.explained(scenario.ready("AmlDataset", "small").await)?;
    let before = operator.memory("VmHWM")?;
    let url = scenario.site.set_made(&format!("{}/large.bin", scenario.namespace), size);
    scenario.put("AmlDataset", "large", json!({"type": "File", "source": {"web": {"url": url}}})).await?;
    let object = operator.explained(scenario.ready("AmlDataset", "large").await)?;
    let after = operator.memory("VmHWM")?;
    println!("{size} bytes: {before} kB before, {after} kB at most, {} kB more", after - before);
    let azure = AzureClient::new(&scenario.emulator, &scenario.azure.principal).await?;
    let files = azure.files(&scenario.azure.place.workspace_id(), "workspaceblobstore").await?;
    let uri = object["status"]["uri"].as_str().doing("uri")?;
    let path = uri.split_once("/paths/").map(|(_, path)| path).doing(uri)?;
    let copied = files.size(path).await?;
    if copied != size || object["status"]["sizeBytes"] != size {
        return Err(Failure::new(format!("{copied} of {size} bytes were copied: {}", object["status"])));
    }
    if after - before >= GROWTH {
        return Err(Failure::new(format!("{} kB more for {size} bytes, and {GROWTH} kB are allowed", after - before)));
    }
    files.remove(path).await
}
