"""The weights of a layer's first operation as pictures."""
