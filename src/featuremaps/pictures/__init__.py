"""Pictures: decoded, loaded, and as the model sees them after its preprocessing."""
