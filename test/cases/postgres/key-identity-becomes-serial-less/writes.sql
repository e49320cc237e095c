INSERT INTO t (a) SELECT n FROM generate_series(1, 2) AS n WHERE false
