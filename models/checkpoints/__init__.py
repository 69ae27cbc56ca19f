"""Other people's weights, read as data and never as code. Knows neither the catalog, nor devices, nor how to run them.

`files` opens a container, `layouts` says whose keys they are, `keys` renames and checks them.
"""
