CREATE TABLE t (k text, id integer, a bigint, PRIMARY KEY (k, id));
INSERT INTO t SELECT 'it''s', n, n FROM generate_series(1, 50) AS n;
