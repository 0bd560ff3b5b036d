//! What all seven kinds have in common, for code that serves them all.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::ObjectMeta;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::policies::{AdoptionPolicy, DeletionPolicy};
use crate::status::AzureObject;

/// The part of a status that every kind has.
pub trait StatusCore: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync {
    /// The conditions.
    fn conditions(&self) -> &[Condition];
    /// Puts the conditions.
    fn set_conditions(&mut self, conditions: Vec<Condition>);
    /// The generation that this status speaks of.
    fn set_observed_generation(&mut self, generation: Option<i64>);
    /// The commands by annotation that were carried out, by annotation.
    fn handled(&self) -> &BTreeMap<String, String>;
    /// Records a command as carried out.
    fn handled_mut(&mut self) -> &mut BTreeMap<String, String>;
    /// The object in Azure.
    fn azure(&self) -> Option<&AzureObject>;
    /// Drops the detail that is missed least; false when there is nothing left to drop.
    fn shorten(&mut self) -> bool {
        false
    }
}

/// One of the seven kinds.
pub trait AmlResource:
    kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// The status.
    type Status: StatusCore;
    /// The kind's name.
    const KIND: &'static str;

    /// The status, where one was written.
    fn status(&self) -> Option<&Self::Status>;
    /// Puts the status.
    fn set_status(&mut self, status: Self::Status);
    /// The name in Azure: `spec.azureName`, or the object's own.
    fn azure_name(&self) -> String;
    /// The AmlWorkspace this object belongs to, where the spec names one.
    fn workspace_ref(&self) -> Option<&str>;
    /// What the spec says of deletion.
    fn deletion_policy(&self) -> Option<DeletionPolicy>;
    /// What the spec says of adoption.
    fn adoption_policy(&self) -> AdoptionPolicy;

    /// The object's name.
    fn name(&self) -> &str {
        self.meta().name.as_deref().unwrap_or_default()
    }
    /// The object's namespace.
    fn namespace(&self) -> &str {
        self.meta().namespace.as_deref().unwrap_or_default()
    }
    /// The object's uid.
    fn uid(&self) -> &str {
        self.meta().uid.as_deref().unwrap_or_default()
    }
    /// The spec's generation.
    fn generation(&self) -> i64 {
        self.meta().generation.unwrap_or_default()
    }
    /// An annotation's value.
    fn annotation(&self, name: &str) -> Option<&str> {
        self.meta().annotations.as_ref()?.get(name).map(String::as_str)
    }
    /// The object is being deleted.
    fn is_deleting(&self) -> bool {
        self.meta().deletion_timestamp.is_some()
    }
    /// A condition of the status.
    fn condition(&self, kind: &str) -> Option<&Condition> {
        self.status()?.conditions().iter().find(|condition| condition.type_ == kind)
    }
    /// Status says that the object in Azure was seen to be this object's.
    fn is_held(&self) -> bool {
        self.status().and_then(StatusCore::azure).is_some_and(|azure| azure.origin.is_some())
    }
    /// Ready is True, and of the present generation.
    fn is_ready(&self) -> bool {
        self.condition(crate::conditions::READY)
            .is_some_and(|ready| ready.status == "True" && ready.observed_generation == self.meta().generation)
    }
}

/// Metadata of a test's or an example's object.
#[must_use]
pub fn named(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), namespace: Some(namespace.to_owned()), ..ObjectMeta::default() }
}

macro_rules! status_core {
    ($status:ty $(, shorten: $shorten:path)?) => {
        impl $crate::resource::StatusCore for $status {
            fn conditions(&self) -> &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition] {
                &self.conditions
            }
            fn set_conditions(&mut self, conditions: Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition>) {
                self.conditions = conditions;
            }
            fn set_observed_generation(&mut self, generation: Option<i64>) {
                self.observed_generation = generation;
            }
            fn handled(&self) -> &std::collections::BTreeMap<String, String> {
                &self.handled
            }
            fn handled_mut(&mut self) -> &mut std::collections::BTreeMap<String, String> {
                &mut self.handled
            }
            fn azure(&self) -> Option<&$crate::status::AzureObject> {
                self.azure.as_ref()
            }
            $(
                fn shorten(&mut self) -> bool {
                    $shorten(self)
                }
            )?
        }
    };
}

/// Implements [`AmlResource`] for a kind whose spec has `azureName`, `deletionPolicy` and `adoptionPolicy`.
macro_rules! aml_resource {
    ($kind:ident, $status:ty, workspace: |$spec:ident| $workspace:expr) => {
        $crate::resource::aml_resource!(@impl $kind, $status, |$spec| $workspace,
            azure_name: |spec, name| spec.azure_name.clone().unwrap_or(name),
            deletion: |spec| spec.deletion_policy,
            adoption: |spec| spec.adoption_policy.unwrap_or_default());
    };
    (@impl $kind:ident, $status:ty, |$spec:ident| $workspace:expr,
        azure_name: |$s:ident, $name:ident| $azure:expr, deletion: |$d:ident| $deletion:expr, adoption: |$a:ident| $adoption:expr) => {
        impl $crate::resource::AmlResource for $kind {
            type Status = $status;
            const KIND: &'static str = stringify!($kind);
            fn status(&self) -> Option<&Self::Status> {
                self.status.as_ref()
            }
            fn set_status(&mut self, status: Self::Status) {
                self.status = Some(status);
            }
            fn azure_name(&self) -> String {
                let $s = &self.spec;
                let $name = self.name().to_owned();
                $azure
            }
            fn workspace_ref(&self) -> Option<&str> {
                let $spec = &self.spec;
                $workspace
            }
            fn deletion_policy(&self) -> Option<$crate::policies::DeletionPolicy> {
                let $d = &self.spec;
                $deletion
            }
            fn adoption_policy(&self) -> $crate::policies::AdoptionPolicy {
                let $a = &self.spec;
                $adoption
            }
        }
    };
}

pub(crate) use {aml_resource, status_core};
