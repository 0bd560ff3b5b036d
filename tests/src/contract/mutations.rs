//! Shows that what is wrong is found.

use super::document::Documents;

#[test]
fn every_schema_of_every_operation_can_be_compiled() {
    let documents = Documents::load().unwrap();
    assert!(documents.operations().len() > 216, "{}", documents.operations().len());
    for operation in documents.operations() {
        let bodies = operation.responses.values().filter_map(|response| response.body.as_ref());
        for body in bodies.chain(operation.request.as_ref()) {
            for schema in body.content.values() {
                documents.validator(operation, schema).unwrap();
            }
        }
    }
}
