CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE);
INSERT INTO t SELECT n, n FROM generate_series(1, 10000) AS n;
