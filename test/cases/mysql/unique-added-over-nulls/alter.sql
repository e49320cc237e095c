ADD UNIQUE KEY by_a (a)
