INSERT INTO t VALUES (4, 'ž', 'œ');
