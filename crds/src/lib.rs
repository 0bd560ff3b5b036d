//! The custom resources of `azureml.dev`.
