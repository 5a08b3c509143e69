"""Songs brought into one tempo and one key: where each of their moments sounds, and how."""
