CREATE TABLE t (id int PRIMARY KEY, a int, b int);
INSERT INTO t SELECT n, n, n FROM generate_series(1, 200) AS n;
CREATE STATISTICS st (ndistinct, mcv) ON a, b, (a + b) FROM t;
ALTER STATISTICS st SET STATISTICS 7;
COMMENT ON STATISTICS st IS 'both';
