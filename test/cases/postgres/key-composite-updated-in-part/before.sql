CREATE TABLE t (x int, y text, a int, PRIMARY KEY (x, y));
INSERT INTO t SELECT n / 10, 'y' || n % 10, n FROM generate_series(1, 200) AS n;
