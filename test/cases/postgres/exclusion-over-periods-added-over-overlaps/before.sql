CREATE EXTENSION btree_gist;
CREATE TABLE t (id int PRIMARY KEY, k int NOT NULL, during daterange NOT NULL);
INSERT INTO t SELECT n, n % 10, daterange('2026-01-01'::date + n, '2026-01-02'::date + n + CASE n WHEN 104 THEN 11 ELSE 0 END) FROM generate_series(1, 200) AS n;
