CREATE TABLE t (id int PRIMARY KEY, a varchar(40));
INSERT INTO t SELECT n, 'x' FROM generate_series(1, 200) AS n;
