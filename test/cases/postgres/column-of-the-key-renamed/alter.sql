RENAME id TO "Key"
