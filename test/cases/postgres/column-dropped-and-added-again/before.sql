CREATE TABLE t (id int PRIMARY KEY, a int DEFAULT 4, b text);
INSERT INTO t SELECT n, n, n FROM generate_series(1, 200) AS n;
