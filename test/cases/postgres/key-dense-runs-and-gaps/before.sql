CREATE TABLE t (id bigint PRIMARY KEY, n integer);
INSERT INTO t SELECT i + 1, i FROM generate_series(0, 299) AS s (i);
INSERT INTO t SELECT 1000000 + 3 * i, i FROM generate_series(0, 299) AS s (i);
INSERT INTO t SELECT -9223372036854775808 + i, i FROM generate_series(0, 299) AS s (i);
INSERT INTO t SELECT 9223372036854775807 - i, i FROM generate_series(0, 299) AS s (i);
