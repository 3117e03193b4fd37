"""Running a model: recording, capturing and streaming its layers, targets, outputs and batches."""
