CREATE TABLE t (id integer PRIMARY KEY, a text DEFAULT 'old', b integer, c integer);
INSERT INTO t SELECT n, 'x' || n, n, n FROM generate_series(1, 20) AS n;
