"""What checks and folds share: read from the data once, kept for as long as the rows are."""
