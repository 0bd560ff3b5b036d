//! A YAML file that says what exists when the emulator starts: tenants and principals, subscriptions, workspaces with
//! what is in them, role assignments. What is there already is left as it is.

pub mod apply;
mod schema;

use crate::access::role_id;
use schema::{DataType, Estate, Principal, Registry, RoleAssignment, Tenant, Workspace};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Why the file says nothing that can be made.
#[derive(Debug, thiserror::Error)]
pub enum EstateFileError {
    /// It can't be read.
    #[error("{path} can't be read: {source}. --estate takes the path of a YAML file")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not of the form.
    #[error("{path}, {words}")]
    Form {
        /// The file.
        path: PathBuf,
        /// Line, field and what is wrong.
        words: String,
    },
    /// A field's value can't be.
    #[error("{path}, line {line}: {field}: {words}")]
    Field {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// Such as `subscriptions[0].roleAssignments[1].principal`.
        field: String,
        /// What is wrong, and what to write.
        words: String,
    },
}

/// An estate that was read and checked.
#[derive(Debug)]
pub struct EstateFile {
    path: PathBuf,
    estate: Estate,
    /// Object ids by name.
    principals: BTreeMap<String, Uuid>,
}

/// Tenant, client id and secret of a principal of the file.
type SignIn = [String; 3];

impl EstateFile {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it can't be read, or says what can't be.
    pub fn read(path: &Path) -> Result<Self, EstateFileError> {
        let read = |source| EstateFileError::Read { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(read)?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, EstateFileError> {
        let estate: Estate = serde_saphyr::from_str(text).map_err(|error| {
            let line = error.location().map_or(0, |at| at.line());
            let words = format!("line {line}: {}", error.render());
            EstateFileError::Form { path: path.to_owned(), words }
        })?;
        let mut file = Self { path: path.to_owned(), estate, principals: BTreeMap::new() };
        file.name_principals()?;
        file.check_roles()?;
        file.check_data()?;
        Ok(file)
    }

    /// An error in a field.
    fn wrong<T>(&self, at: &Spanned<T>, field: String, words: String) -> EstateFileError {
        EstateFileError::Field { path: self.path.clone(), line: at.referenced.line(), field, words }
    }

    /// A path of the file, seen from its folder.
    fn beside(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    fn name_principals(&mut self) -> Result<(), EstateFileError> {
        let mut ids = BTreeMap::new();
        for (t, tenant) in self.estate.tenants.iter().enumerate() {
            for (p, principal) in tenant.principals.iter().enumerate() {
                let field = |name: &str| format!("tenants[{t}].principals[{p}].{name}");
                let given = principal.object_id.as_deref().map(Uuid::parse_str).transpose();
                let id = given.map_err(|_| {
                    self.wrong(&principal.name, field("objectId"), "it is a GUID, or left out".to_owned())
                })?;
                let id = id.unwrap_or_else(|| made_of(&tenant.id, principal, "object"));
                if ids.insert(principal.name.value.clone(), id).is_some() {
                    let words = format!("two principals have the name {}", principal.name.value);
                    return Err(self.wrong(&principal.name, field("name"), words));
                }
                for certificate in &principal.certificate_files {
                    self.check_file(certificate, field("certificateFiles"))?;
                }
            }
        }
        for (i, issuer) in self.estate.issuers.iter().enumerate() {
            self.check_file(&issuer.jwks_file, format!("issuers[{i}].jwksFile"))?;
        }
        self.principals = ids;
        Ok(())
    }

    fn check_file(&self, file: &Spanned<String>, field: String) -> Result<(), EstateFileError> {
        let path = self.beside(&file.value);
        match path.is_file() {
            true => Ok(()),
            false => Err(self.wrong(file, field, format!("there is no file {}", path.display()))),
        }
    }

    /// Checks that principals and roles of assignments are known.
    fn check_roles(&self) -> Result<(), EstateFileError> {
        for (scope, _, assignment) in self.assignments() {
            let field = |name: &str| format!("{scope}.{name}");
            self.object_id(&assignment.principal.value).ok_or_else(|| {
                let known: Vec<&str> = self.principals.keys().map(String::as_str).collect();
                let words = format!(
                    "there is no principal {}: write an object id, or the name of one of this file ({})",
                    assignment.principal.value,
                    known.join(", ")
                );
                self.wrong(&assignment.principal, field("principal"), words)
            })?;
            let role = &assignment.role.value;
            if Uuid::parse_str(role_id(role)).is_err() {
                let words = format!(
                    "{role} is no role that is known here: write Owner, Contributor, Reader, AzureML Data Scientist, \
                     AzureML Compute Operator, User Access Administrator, Storage Blob Data Contributor, or a role's GUID"
                );
                return Err(self.wrong(&assignment.role, field("role"), words));
            }
        }
        Ok(())
    }

    /// The object id of a principal that is named in the file, or of the id itself.
    fn object_id(&self, principal: &str) -> Option<Uuid> {
        self.principals.get(principal).copied().or_else(|| Uuid::parse_str(principal).ok())
    }

    /// All role assignments, each with its place in the file and its scope.
    fn assignments(&self) -> Vec<Placed<'_>> {
        let mut all = Vec::new();
        for (s, subscription) in self.estate.subscriptions.iter().enumerate() {
            let (field, scope) = (format!("subscriptions[{s}]"), format!("/subscriptions/{}", subscription.id));
            placed(&mut all, &field, &scope, &subscription.role_assignments);
            for (g, group) in subscription.resource_groups.iter().enumerate() {
                let field = format!("{field}.resourceGroups[{g}]");
                placed(&mut all, &field, &format!("{scope}/resourceGroups/{}", group.name), &group.role_assignments);
                for (w, workspace) in group.workspaces.iter().enumerate() {
                    let scope = workspace_id(&subscription.id, &group.name, &workspace.name.value);
                    placed(&mut all, &format!("{field}.workspaces[{w}]"), &scope, &workspace.role_assignments);
                }
                for (r, registry) in group.registries.iter().enumerate() {
                    let scope = registry_id(&subscription.id, &group.name, &registry.name.value);
                    placed(&mut all, &format!("{field}.registries[{r}]"), &scope, &registry.role_assignments);
                }
            }
        }
        all
    }

    /// All workspaces, each with its place in the file and its ARM id.
    fn workspaces(&self) -> Vec<(String, String, &Workspace)> {
        let mut all = Vec::new();
        for (s, subscription) in self.estate.subscriptions.iter().enumerate() {
            for (g, group) in subscription.resource_groups.iter().enumerate() {
                for (w, workspace) in group.workspaces.iter().enumerate() {
                    let field = format!("subscriptions[{s}].resourceGroups[{g}].workspaces[{w}]");
                    all.push((field, workspace_id(&subscription.id, &group.name, &workspace.name.value), workspace));
                }
            }
        }
        all
    }

    /// All registries, each with its place in the file and its ARM id.
    fn registries(&self) -> Vec<(String, String, &Registry)> {
        let mut all = Vec::new();
        for (s, subscription) in self.estate.subscriptions.iter().enumerate() {
            for (g, group) in subscription.resource_groups.iter().enumerate() {
                for (r, registry) in group.registries.iter().enumerate() {
                    let field = format!("subscriptions[{s}].resourceGroups[{g}].registries[{r}]");
                    all.push((field, registry_id(&subscription.id, &group.name, &registry.name.value), registry));
                }
            }
        }
        all
    }

    /// Checks that a file or folder is what its type needs.
    fn check_place(&self, path: &Spanned<String>, kind: DataType, field: String) -> Result<(), EstateFileError> {
        let place = self.beside(&path.value);
        let wanted = match kind {
            DataType::UriFile => (place.is_file(), "a file"),
            DataType::UriFolder => (place.is_dir(), "a folder"),
            DataType::Mltable => (place.join("MLTable").is_file(), "a folder with a file named MLTable"),
        };
        match wanted {
            (true, _) => Ok(()),
            (false, what) => {
                let words = format!("{} is not {what}, as type {} needs", place.display(), kind.name());
                Err(self.wrong(path, field, words))
            }
        }
    }

    /// Checks that data lies where the file says, and in a datastore that there will be.
    fn check_data(&self) -> Result<(), EstateFileError> {
        for (field, _, registry) in self.registries() {
            for (d, data) in registry.data.iter().enumerate() {
                self.check_place(&data.path, data.kind, format!("{field}.data[{d}].path"))?;
            }
        }
        for (field, _, workspace) in self.workspaces() {
            for (d, data) in workspace.data.iter().enumerate() {
                let field = |name: &str| format!("{field}.data[{d}].{name}");
                let path = match (&data.path, &data.uri) {
                    (Some(path), None) => path,
                    (None, Some(_)) => continue,
                    _ => {
                        let words = "give either path (a file or folder of this machine) or uri".to_owned();
                        return Err(self.wrong(&data.name, field("path"), words));
                    }
                };
                self.check_place(path, data.kind, field("path"))?;
                let store = &data.datastore.value;
                let known = ["workspaceblobstore", "workspaceartifactstore"].contains(&store.as_str())
                    || workspace.datastores.iter().any(|known| known.name.value == *store);
                if !known {
                    let words = format!("the workspace has no datastore {store}: list it under datastores");
                    return Err(self.wrong(&data.datastore, field("datastore"), words));
                }
            }
        }
        Ok(())
    }

    /// Tenant, client id and secret of a principal by its name, or of the first that has a secret.
    pub fn sign_in(&self, name: Option<&str>) -> Option<SignIn> {
        let all =
            self.estate.tenants.iter().flat_map(|tenant| tenant.principals.iter().map(move |known| (tenant, known)));
        let mut wanted = all.filter(|(_, known)| name.is_none_or(|name| known.name.value == name));
        wanted.find_map(|(tenant, known)| {
            Some([tenant.id.clone(), client_id(tenant, known), known.client_secret.clone()?])
        })
    }

    /// ARM id of the first workspace.
    pub fn first_workspace(&self) -> Option<String> {
        self.workspaces().into_iter().next().map(|(_, id, _)| id)
    }
}

/// A role assignment, with its place in the file and its scope.
type Placed<'a> = (String, String, &'a RoleAssignment);

fn placed<'a>(all: &mut Vec<Placed<'a>>, field: &str, scope: &str, assignments: &'a [RoleAssignment]) {
    let named = assignments.iter().enumerate();
    all.extend(named.map(|(n, one)| (format!("{field}.roleAssignments[{n}]"), scope.to_owned(), one)));
}

fn workspace_id(subscription: &str, group: &str, name: &str) -> String {
    format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/workspaces/{name}"
    )
}

fn registry_id(subscription: &str, group: &str, name: &str) -> String {
    format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/registries/{name}"
    )
}

/// An id that follows from a principal's tenant and name.
fn made_of(tenant: &str, principal: &Principal, what: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{what} {tenant} {}", principal.name.value).as_bytes())
}

fn client_id(tenant: &Tenant, principal: &Principal) -> String {
    principal.client_id.clone().unwrap_or_else(|| made_of(&tenant.id, principal, "client").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        EstateFile::parse(Path::new("estate.yaml"), text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_field() {
        let roles = "subscriptions:\n- id: s\n  roleAssignments:\n  - {principal: nobody, role: Owner}\n";
        let unknown = "tenants:\n- id: t\n  principals:\n  - name: a\n    clientSecrt: x\n";
        let role = "tenants: [{id: t, principals: [{name: a}]}]\nsubscriptions:\n- id: s\n  roleAssignments:\n  - principal: a\n    role: Boss\n";
        let workspace = |rest: &str| {
            format!("subscriptions:\n- id: s\n  resourceGroups:\n  - name: g\n    workspaces:\n    - name: w\n{rest}")
        };
        let rows = [
            (roles.to_owned(), "line 4: subscriptions[0].roleAssignments[0].principal: there is no principal nobody"),
            (unknown.to_owned(), "line 5"),
            (unknown.to_owned(), "clientSecrt"),
            (role.to_owned(), "line 6: subscriptions[0].roleAssignments[0].role: Boss is no role"),
            (workspace(""), "location"),
            (
                workspace(
                    "      location: westeurope\n      data:\n      - name: d\n        type: uri_file\n        path: nowhere.csv\n",
                ),
                "line 11: subscriptions[0].resourceGroups[0].workspaces[0].data[0].path: nowhere.csv is not a file",
            ),
            (
                workspace("      location: westeurope\n      data:\n      - {name: d, type: uri_file}\n"),
                "line 9: subscriptions[0].resourceGroups[0].workspaces[0].data[0].path: give either path",
            ),
            (workspace("      location: x\n      data:\n      - {name: d, type: table, uri: x}\n"), "table"),
        ];
        for (text, words) in rows {
            let told = refused(&text);
            assert!(told.starts_with("estate.yaml, line ") && told.contains(words), "{words}: {told}");
        }
    }

    #[test]
    fn a_principal_without_ids_has_the_same_ones_at_each_start() {
        let text = "tenants: [{id: t, principals: [{name: a, clientSecret: x}]}]";
        let read = || EstateFile::parse(Path::new("estate.yaml"), text).unwrap();
        assert_eq!(read().sign_in(None), read().sign_in(Some("a")));
        assert_eq!(read().sign_in(Some("b")), None);
        assert_eq!(read().object_id("a"), read().object_id("a"));
    }
}
