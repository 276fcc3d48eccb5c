"""Names of weights: tables of published ones, and the suffixes of MindSpore's layers."""
