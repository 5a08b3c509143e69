"""Built-in stages: one file each, offered through the same hook as everybody's."""
