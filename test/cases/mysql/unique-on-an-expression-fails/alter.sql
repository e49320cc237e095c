ADD UNIQUE KEY by_f ((c % 100))
