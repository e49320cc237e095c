RENAME CONSTRAINT t_a_key TO only_one
