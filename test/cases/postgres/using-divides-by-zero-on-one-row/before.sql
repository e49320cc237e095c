CREATE TABLE t (id int PRIMARY KEY, a int);
INSERT INTO t SELECT n, n - 52 FROM generate_series(1, 200) AS n;
