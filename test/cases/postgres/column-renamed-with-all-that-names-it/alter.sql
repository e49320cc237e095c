RENAME a TO "A b"
