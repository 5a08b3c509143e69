"""A song in the formats of the programs that a producer goes on with."""
