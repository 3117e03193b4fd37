"""The model under study, and models of other libraries as ordinary modules."""
