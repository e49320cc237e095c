CREATE TABLE t (id int PRIMARY KEY, a text);
INSERT INTO t SELECT n, CASE n WHEN 52 THEN 'many' ELSE n::text END FROM generate_series(1, 200) AS n;
