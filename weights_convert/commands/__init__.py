"""The verbs of `weights-convert`, as functions with typed results."""
