CREATE TABLE t (k varchar(4) PRIMARY KEY, a varchar(3), b char(3), c varchar(5) DEFAULT 'dflt');
INSERT INTO t SELECT 'k' || n, 'abc', 'ab', 'é🐬xyz' FROM generate_series(1, 20) AS n;
