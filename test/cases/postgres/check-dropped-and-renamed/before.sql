CREATE TABLE t (id int PRIMARY KEY, a int CONSTRAINT one CHECK (a > 0));
INSERT INTO t SELECT n, n FROM generate_series(1, 200) AS n;
