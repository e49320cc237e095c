CREATE TABLE t (id int PRIMARY KEY, r int4range);
INSERT INTO t SELECT n, int4range(n * 10, n * 10 + CASE n WHEN 88 THEN 12 ELSE 5 END) FROM generate_series(1, 200) AS n;
