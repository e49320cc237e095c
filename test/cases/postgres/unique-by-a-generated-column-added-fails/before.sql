CREATE TABLE t (id int PRIMARY KEY, u int);
INSERT INTO t SELECT n, n * 2 + CASE n WHEN 120 THEN -9 ELSE 0 END FROM generate_series(1, 200) AS n;
