UPDATE t SET a = 'y', b = 1, c = 1 WHERE id = 1;
INSERT INTO t VALUES (21, NULL, 5, 5);
