CREATE TABLE t (id int PRIMARY KEY);
INSERT INTO t SELECT n FROM generate_series(1, 200) AS n;
