ADD UNIQUE KEY by_b (b), ADD KEY by_a (a)
