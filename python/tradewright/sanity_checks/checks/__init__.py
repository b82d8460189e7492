"""The checks: one small class each, by what it looks at."""
