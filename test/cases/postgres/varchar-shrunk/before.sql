CREATE TABLE t (id int PRIMARY KEY, a varchar(40));
INSERT INTO t SELECT n, repeat('x', n % 10) FROM generate_series(1, 200) AS n;
