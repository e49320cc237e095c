CREATE TABLE t (id int PRIMARY KEY, a int, b int CHECK (b > 0), c int UNIQUE);
INSERT INTO t SELECT n, n, n, n FROM generate_series(1, 200) AS n;
CREATE INDEX both_columns ON t (a, b);
CREATE STATISTICS st ON a, b FROM t;
ALTER TABLE t ADD CONSTRAINT two CHECK (a > 0 AND c > 0);
