CREATE TABLE t (id int PRIMARY KEY, a int CHECK (a > 0), b int UNIQUE);
INSERT INTO t SELECT n, n, n FROM generate_series(1, 200) AS n;
CREATE INDEX i ON t (lower(a::text)) WHERE a > 5;
CREATE STATISTICS st ON a, b FROM t;
