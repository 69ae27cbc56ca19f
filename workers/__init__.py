"""The processes that do the work: the only place where media, models and pipeline meet."""
