"""Result types that several verbs share."""
