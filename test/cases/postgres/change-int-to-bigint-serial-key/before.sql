CREATE TABLE t (id serial PRIMARY KEY, a smallint, b text);
ALTER SEQUENCE t_id_seq INCREMENT 5 CACHE 3;
INSERT INTO t (a, b) SELECT n, 'row ' || n FROM generate_series(1, 40) AS n;
