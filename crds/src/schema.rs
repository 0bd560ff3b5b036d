//! What the derived schemas need before an API server takes them as people would want them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use schemars::Schema;

/// Lets a field's own sentence stand in the place of its type's: kube puts the type's over it where the field is
/// an optional enum.
pub fn described_by_field(schema: &mut Schema) {
    schema.remove("description");
}

/// Takes `nullable` out, so that `field: null` means absent: the API server prunes a null of a field that is not
/// nullable, whereas CEL's `has` is true for a null that stays.
#[must_use]
pub fn without_nulls(mut definition: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut definition.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            prune(schema);
        }
    }
    definition
}

fn prune(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(values) = &mut schema.enum_ {
        values.retain(|value| !value.0.is_null());
    }
    for property in schema.properties.iter_mut().flat_map(|properties| properties.values_mut()) {
        prune(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        prune(items);
    }
    if let Some(k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaPropsOrBool::Schema(
        values,
    )) = &mut schema.additional_properties
    {
        prune(values);
    }
}
