INSERT INTO t VALUES (31, 1, 'twice', 1);
INSERT INTO t VALUES (32, 2, 'twice', 1);
