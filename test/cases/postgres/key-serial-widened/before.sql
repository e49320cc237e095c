CREATE TABLE t (id serial PRIMARY KEY, a int);
INSERT INTO t SELECT n, n FROM generate_series(1, 200) AS n;
SELECT setval('t_id_seq', 200);
