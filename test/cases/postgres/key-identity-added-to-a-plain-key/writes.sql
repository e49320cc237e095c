INSERT INTO t SELECT n, n FROM generate_series(300, 340) AS n
