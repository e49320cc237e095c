CREATE TABLE t (id int PRIMARY KEY, b text) WITH (parallel_workers = 2, fillfactor = 90);
INSERT INTO t SELECT n, 'x' FROM generate_series(1, 50) AS n;
