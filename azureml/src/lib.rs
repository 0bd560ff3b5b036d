//! A client of Azure Machine Learning.
