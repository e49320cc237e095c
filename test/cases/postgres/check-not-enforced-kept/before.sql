CREATE TABLE t (id int PRIMARY KEY, a int, CONSTRAINT idle CHECK (a < 0) NOT ENFORCED);
INSERT INTO t SELECT n, n FROM generate_series(1, 200) AS n;
