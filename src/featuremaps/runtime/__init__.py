"""Running a model: recording, capturing and streaming its layers, what is sent back through it, and batches."""
