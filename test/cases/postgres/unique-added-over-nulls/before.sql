CREATE TABLE t (id int PRIMARY KEY, u int);
INSERT INTO t SELECT n, CASE WHEN n % 3 > 0 THEN n END FROM generate_series(1, 200) AS n;
