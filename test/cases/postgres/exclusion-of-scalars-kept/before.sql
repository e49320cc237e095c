CREATE EXTENSION btree_gist;
CREATE TABLE t (id int PRIMARY KEY, room int, during tsrange, EXCLUDE USING gist (room WITH =, during WITH &&));
INSERT INTO t SELECT n, n % 20, tsrange('2026-01-01'::timestamp + n * interval '1 day', '2026-01-02'::timestamp + n * interval '1 day') FROM generate_series(1, 200) AS n;
