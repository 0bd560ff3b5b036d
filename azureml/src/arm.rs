//! ARM ids and what every resource's envelope has.

use std::fmt;

/// A workspace's place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WorkspaceId {
    /// The subscription's GUID.
    pub subscription_id: String,
    /// The resource group.
    pub resource_group: String,
    /// The workspace's name.
    pub name: String,
}

impl WorkspaceId {
    /// The ARM id.
    #[must_use]
    pub fn arm_id(&self) -> ArmId {
        let group = self.group_id();
        ArmId(format!("{group}/providers/Microsoft.MachineLearningServices/workspaces/{}", self.name))
    }

    /// The ARM id of the resource group.
    #[must_use]
    pub fn group_id(&self) -> String {
        format!("/subscriptions/{}/resourceGroups/{}", self.subscription_id, self.resource_group)
    }
}

/// An ARM id. Compared without regard to case, as ARM does.
#[derive(Clone, Debug, Eq)]
pub struct ArmId(String);

impl ArmId {
    /// From text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The id of a child: `<self>/<kind>/<name>`.
    #[must_use]
    pub fn child(&self, kind: &str, name: &str) -> Self {
        Self(format!("{}/{kind}/{name}", self.0))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value of a segment, e.g. `segment("versions")`.
    #[must_use]
    pub fn segment(&self, name: &str) -> Option<&str> {
        let mut parts = self.0.split('/').skip(1);
        while let Some(key) = parts.next() {
            let value = parts.next()?;
            if key.eq_ignore_ascii_case(name) {
                return Some(value);
            }
        }
        None
    }

    /// The last segment.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl PartialEq for ArmId {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl fmt::Display for ArmId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_found_without_regard_to_case() {
        let id = ArmId::new(
            "/subscriptions/S/resourcegroups/rg/providers/Microsoft.MachineLearningServices/workspaces/w/models/m/versions/3",
        );
        assert_eq!(id.segment("resourceGroups"), Some("rg"));
        assert_eq!(id.segment("versions"), Some("3"));
        assert_eq!(id.segment("jobs"), None);
        assert_eq!(id, ArmId::new(id.as_str().to_uppercase()));
    }
}
