CREATE TABLE t (id int PRIMARY KEY, u text);
INSERT INTO t SELECT n, CASE n WHEN 77 THEN 'A1' WHEN 166 THEN 'a1' ELSE 'a' || n || 'x' END FROM generate_series(1, 200) AS n;
CREATE UNIQUE INDEX whole ON t (u);
