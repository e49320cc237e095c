CREATE TABLE t (id integer PRIMARY KEY, a text);
INSERT INTO t SELECT n, 'x' FROM generate_series(1, 20) AS n;
