ADD UNIQUE KEY by_x (x)
