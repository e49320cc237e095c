CREATE TABLE t (id int PRIMARY KEY, u int, v text);
INSERT INTO t SELECT n, n / 2, CASE WHEN n % 2 = 0 THEN 'a' ELSE 'b' END FROM generate_series(1, 200) AS n;
