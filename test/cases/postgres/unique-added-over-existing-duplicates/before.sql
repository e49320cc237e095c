CREATE TABLE t (id int PRIMARY KEY, u text);
INSERT INTO t SELECT n, CASE WHEN n IN (44, 188) THEN 'twice' ELSE n::text END FROM generate_series(1, 200) AS n;
