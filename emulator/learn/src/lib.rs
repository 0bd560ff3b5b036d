//! Tabular machine learning.
