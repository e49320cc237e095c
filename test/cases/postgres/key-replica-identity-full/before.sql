CREATE TABLE t (id integer NOT NULL, big text, v integer, CONSTRAINT t_id UNIQUE (id));
ALTER TABLE t REPLICA IDENTITY FULL;
INSERT INTO t SELECT n, (SELECT string_agg(md5((n * 1000 + k)::text), '') FROM generate_series(1, 200) AS k), n FROM generate_series(1, 20) AS n;
