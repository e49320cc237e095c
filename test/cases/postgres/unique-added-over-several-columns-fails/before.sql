CREATE TABLE t (id int PRIMARY KEY, u int, v text);
INSERT INTO t SELECT n, n % 190, 'x' FROM generate_series(1, 200) AS n;
