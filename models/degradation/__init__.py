"""Degradations: what cameras and codecs do to a picture, seeded and reproducible."""
