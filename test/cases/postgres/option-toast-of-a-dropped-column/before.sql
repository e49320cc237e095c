CREATE TABLE t (id int PRIMARY KEY, gone text, v int) WITH (toast.autovacuum_enabled = false);
INSERT INTO t SELECT n, 'x', n FROM generate_series(1, 50) AS n;
ALTER TABLE t DROP COLUMN gone;
