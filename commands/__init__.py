"""The subcommands of `gleaner`, one group a file. Rooms are imported inside the functions, as each needs them."""
