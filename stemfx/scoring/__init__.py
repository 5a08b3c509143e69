"""Score estimated stems against the true ones."""
