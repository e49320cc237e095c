CREATE TABLE t (id integer PRIMARY KEY, a integer);
INSERT INTO t SELECT n, n FROM generate_series(1, 5) AS n;
