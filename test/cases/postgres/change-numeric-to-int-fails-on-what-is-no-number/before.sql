CREATE TABLE t (id int PRIMARY KEY, a numeric);
INSERT INTO t SELECT n, CASE n WHEN 150 THEN 'NaN'::numeric ELSE n END FROM generate_series(1, 200) AS n;
