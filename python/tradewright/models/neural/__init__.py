"""Neural models: their modules, scaling and training loop."""
