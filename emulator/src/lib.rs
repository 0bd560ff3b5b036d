//! An emulator of Azure Machine Learning.
