CREATE TABLE t (id integer PRIMARY KEY, other text NOT NULL, v integer);
CREATE UNIQUE INDEX t_other ON t (other);
ALTER TABLE t REPLICA IDENTITY USING INDEX t_other;
INSERT INTO t SELECT n, 'k' || n, n FROM generate_series(1, 30) AS n;
