CREATE TABLE t (id int PRIMARY KEY, a int, b text);
INSERT INTO t SELECT n, n, n::text FROM generate_series(1, 200) AS n;
