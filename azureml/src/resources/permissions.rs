//! What an identity may do on a scope (Microsoft.Authorization/permissions, api-version 2022-04-01).

use serde::Deserialize;

use super::nullable;
use crate::error::Error;
use crate::workspace::Workspace;

const API_VERSION: &str = "2022-04-01";

/// What one role gives: actions, without those that it leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Permission {
    /// Patterns of actions, `*` for any text.
    #[serde(deserialize_with = "nullable")]
    pub actions: Vec<String>,
    /// What is left out of them.
    #[serde(deserialize_with = "nullable")]
    pub not_actions: Vec<String>,
}

impl Permission {
    /// Whether it gives an action.
    #[must_use]
    pub fn gives(&self, action: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| fits(pattern, action));
        any(&self.actions) && !any(&self.not_actions)
    }
}

/// Whether a pattern fits an action; case does not count. Each `*` takes the least it can, but for the last one.
fn fits(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == action };
    let Some(mut left) = action.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = left.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    left.ends_with(last)
}

impl Workspace {
    /// What the identity's roles give it on the workspace, or, before it is made, on its resource group.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn permissions(&self, on_group: bool) -> Result<Vec<Permission>, Error> {
        let scope = if on_group { self.id().group_id() } else { self.arm_id().as_str().to_owned() };
        let path = format!("{scope}/providers/Microsoft.Authorization/permissions");
        self.client.list("permissions", &path, API_VERSION, &[]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_azures_do() {
        let read = "Microsoft.MachineLearningServices/workspaces/computes/read";
        for (pattern, expected) in [
            ("*", true),
            ("*/read", true),
            ("*/write", false),
            ("microsoft.machinelearningservices/workspaces/*/READ", true),
            ("Microsoft.MachineLearningServices/*", true),
            ("Microsoft.MachineLearningServices/workspaces/computes/*", true),
            ("Microsoft.MachineLearningServices/workspaces/*/listKeys/action", false),
            ("Microsoft.Storage/*", false),
            ("Microsoft.MachineLearningServices/workspaces/computes/read", true),
            ("Microsoft.MachineLearningServices/workspaces/read", false),
            ("*/computes/*/read", false),
            ("", false),
        ] {
            assert_eq!(fits(pattern, read), expected, "{pattern}");
        }
    }

    #[test]
    fn what_a_role_leaves_out_another_may_give() {
        let contributor = Permission {
            actions: vec!["*".into()],
            not_actions: vec!["Microsoft.Authorization/*/Write".into(), "Microsoft.Authorization/*/Delete".into()],
        };
        let administrator =
            Permission { actions: vec!["*/read".into(), "Microsoft.Authorization/*".into()], ..Permission::default() };
        let share = "Microsoft.Authorization/roleAssignments/write";
        assert!(!contributor.gives(share) && administrator.gives(share));
        assert!(contributor.gives("Microsoft.Authorization/roleAssignments/read"));
    }
}
