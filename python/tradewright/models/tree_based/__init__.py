"""Tree models."""
