ADD KEY by_a (a), ADD KEY by_b_c (b(5), c), ADD INDEX by_c (c) COMMENT 'it''s an index'
