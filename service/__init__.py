"""HTTP: the REST API. Knows jobs; imports neither torch nor workers."""
