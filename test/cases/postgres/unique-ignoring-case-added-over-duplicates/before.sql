CREATE EXTENSION citext;
CREATE TABLE t (id int PRIMARY KEY, u citext);
INSERT INTO t SELECT n, CASE n WHEN 31 THEN 'Same' WHEN 175 THEN 'sAME' ELSE n::text END FROM generate_series(1, 200) AS n;
