ADD UNIQUE KEY by_b (b)
