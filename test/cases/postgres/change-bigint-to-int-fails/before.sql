CREATE TABLE t (id integer PRIMARY KEY, a bigint);
INSERT INTO t SELECT n, n FROM generate_series(1, 50) AS n;
UPDATE t SET a = 2147483648 WHERE id = 33;
