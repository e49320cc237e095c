CREATE TABLE t (id int PRIMARY KEY, a varchar(40));
INSERT INTO t SELECT n, repeat('x', CASE n WHEN 137 THEN 11 ELSE 10 END) FROM generate_series(1, 200) AS n;
