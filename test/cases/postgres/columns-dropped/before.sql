CREATE TABLE t (x integer, id integer PRIMARY KEY, a text, b integer DEFAULT 3, c text, d serial);
ALTER TABLE t DROP COLUMN x;
CREATE INDEX t_b ON t (b);
CREATE INDEX t_ac ON t (a, c);
INSERT INTO t SELECT n, 'x', n, 'c' FROM generate_series(1, 20) AS n;
