"""Numeric check of our networks and operations against folders of stored vectors of the reference implementations."""
