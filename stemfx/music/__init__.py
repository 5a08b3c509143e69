"""Songs: their tempo, beats, bars and key."""
