CREATE TABLE t (id text PRIMARY KEY, a int);
INSERT INTO t SELECT repeat(md5(n::text), 60) || n, n FROM generate_series(1, 30) AS n;
