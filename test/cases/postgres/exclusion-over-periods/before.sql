CREATE EXTENSION btree_gist;
CREATE TABLE t (id int PRIMARY KEY, k int, during daterange, CONSTRAINT once UNIQUE (k, during WITHOUT OVERLAPS));
INSERT INTO t SELECT n, n % 10, daterange('2026-01-01'::date + n, '2026-01-02'::date + n) FROM generate_series(1, 200) AS n;
