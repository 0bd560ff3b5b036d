//! The rows an input stands for.

use super::ground::Ground;
use super::uri::{self, UriError};
use crate::mltable::{MlTable, MlTableError};
use crate::run_history::run::Location;
use crate::run_history::store::Runs;
use azureml_emulator_learn::{ReadOptions, SourceFile, Table, TableError};

/// Why an input can't be read; what AutoML would report as a user's error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    #[error(transparent)]
    Uri(#[from] UriError),
    #[error("The input {uri} has no MLTable file at {path}: AutoML reads mltable data only.")]
    NoMlTable { uri: String, path: String },
    #[error("The MLTable file at {path} is not UTF-8 text.")]
    NotText { path: String },
    #[error(transparent)]
    MlTable(#[from] MlTableError),
    #[error("The MLTable names {path}, which does not exist or is empty.")]
    NoFile { path: String },
    #[error("The data could not be read: {0}")]
    Table(#[from] TableError),
}

/// Reads an mltable input.
pub(crate) fn read(ground: &dyn Ground, runs: &Runs, workspace: &str, uri: &str) -> Result<Table, DataError> {
    let folder = uri::resolve(ground, runs, workspace, uri)?.place;
    let (folder, file) = match folder.path.rsplit_once('/') {
        Some((parent, "MLTable")) => (Location { path: parent.to_owned(), ..folder.clone() }, folder.clone()),
        _ => (folder.clone(), folder.join("MLTable")),
    };
    let text =
        ground.read(&file).ok_or_else(|| DataError::NoMlTable { uri: uri.to_owned(), path: file.path.clone() })?;
    let text = String::from_utf8(text).map_err(|_| DataError::NotText { path: file.path.clone() })?;
    let table = MlTable::parse(&text)?;
    let mut files = Vec::new();
    for path in &table.paths {
        let before = files.len();
        collect(ground, runs, workspace, &folder, path, &mut files)?;
        if files.len() == before {
            return Err(DataError::NoFile { path: path.clone() });
        }
    }
    read_files(&files, &table.options, &table)
}

fn read_files(files: &[(String, Vec<u8>)], options: &ReadOptions, table: &MlTable) -> Result<Table, DataError> {
    let sources: Vec<SourceFile<'_>> = files.iter().map(|(name, bytes)| SourceFile { name, bytes }).collect();
    let rows = Table::read(&sources, options)?;
    let unwanted: Vec<String> = rows
        .schema()
        .into_iter()
        .map(|column| column.name)
        .filter(|name| table.drop.contains(name) || table.keep.as_ref().is_some_and(|keep| !keep.contains(name)))
        .collect();
    let unwanted: Vec<&str> = unwanted.iter().map(String::as_str).collect();
    Ok(if unwanted.is_empty() { rows } else { rows.without(&unwanted) })
}

/// The files behind a path: one file, all of a folder, or those a pattern with `*` takes.
fn collect(
    ground: &dyn Ground,
    runs: &Runs,
    workspace: &str,
    folder: &Location,
    path: &str,
    files: &mut Vec<(String, Vec<u8>)>,
) -> Result<(), DataError> {
    let absolute = path.contains("://");
    let place = if absolute { uri::resolve(ground, runs, workspace, path)?.place } else { folder.join(path) };
    if let Some(bytes) = ground.read(&place) {
        files.push((place.path, bytes));
        return Ok(());
    }
    let (start, pattern) = match place.path.find('*') {
        Some(star) => (place.path.get(..star).unwrap_or_default(), Some(place.path.as_str())),
        None => (place.path.as_str(), None),
    };
    let start = Location { path: start.to_owned(), ..place.clone() };
    for name in ground.list(&start) {
        let taken = match pattern {
            Some(pattern) => matches(pattern, &name),
            None => name.strip_prefix(&place.path).is_some_and(|rest| rest.starts_with('/')),
        };
        if taken && !name.ends_with("/MLTable") {
            let file = Location { path: name.clone(), ..place.clone() };
            files.extend(ground.read(&file).map(|bytes| (name, bytes)));
        }
    }
    Ok(())
}

/// Whether a name fits a pattern of literal parts with `*` (within a folder) or `**` (across folders) between them.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((literal, rest)) => {
            let Some(tail) = name.strip_prefix(literal) else { return false };
            let (across, rest) = match rest.strip_prefix('*') {
                Some(rest) => (true, rest.trim_start_matches('/')),
                None => (false, rest),
            };
            let ends = tail.char_indices().map(|(place, _)| place).chain([tail.len()]);
            ends.take_while(|end| across || !tail.get(..*end).unwrap_or_default().contains('/'))
                .any(|end| matches(rest, tail.get(end..).unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_take_names() {
        assert!(matches("a/*.csv", "a/x.csv"));
        assert!(!matches("a/*.csv", "a/b/x.csv"));
        assert!(matches("a/**/*.csv", "a/b/x.csv"));
        assert!(!matches("a/*.csv", "a/x.tsv"));
    }
}
