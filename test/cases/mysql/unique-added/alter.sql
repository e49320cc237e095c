ADD UNIQUE KEY by_a (a), ADD UNIQUE by_b_c (b, c)
