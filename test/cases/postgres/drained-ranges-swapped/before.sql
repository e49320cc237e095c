CREATE TABLE t (id int PRIMARY KEY, r int4range, CONSTRAINT apart EXCLUDE USING gist (r WITH &&));
INSERT INTO t SELECT n, int4range(n * 10, n * 10 + 5) FROM generate_series(1, 200) AS n;
