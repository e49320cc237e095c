CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL);
INSERT INTO t SELECT n, n * 7 FROM generate_series(500, 1, -1) AS n;
