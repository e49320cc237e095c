RENAME a TO fresh
