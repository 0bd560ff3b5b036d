//! What the derived schemas need before an API server takes them as people would want them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use schemars::Schema;

/// Lets a field's own sentence stand in the place of its type's: kube puts the type's over it where the field is
/// an optional enum.
pub fn described_by_field(schema: &mut Schema) {
    schema.remove("description");
}

/// Readies a derived definition for an API server.
///
/// - `nullable` goes, so that `field: null` means absent: the API server prunes a null of a field that is not nullable,
///   whereas CEL's `has` is true for a null that stays.
/// - `default` goes, which the derive takes from the status types: nothing is filled in that nobody wrote.
/// - Line ends inside a paragraph of a description go: they are the source's, and `kubectl explain` breaks lines itself.
#[must_use]
pub fn for_api_server(mut definition: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut definition.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            tidy(schema);
        }
    }
    definition
}

fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.default = None;
    if let Some(description) = &mut schema.description {
        *description =
            description.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
    }
    if let Some(values) = &mut schema.enum_ {
        values.retain(|value| !value.0.is_null());
    }
    for property in schema.properties.iter_mut().flat_map(|properties| properties.values_mut()) {
        tidy(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tidy(values);
    }
}
