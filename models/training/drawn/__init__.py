"""Pictures of what photographs hold too little of: plates, signs, recorders' clocks, fine textures.

All is drawn from numbers given by a generator, so equal generators give equal pictures. Numbers, places and names are
made up. Nothing here knows degradations or networks, but for `burnt`, which puts a recorder's text before its encoder.
"""
