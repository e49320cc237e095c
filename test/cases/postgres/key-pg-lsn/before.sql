CREATE TABLE t (k pg_lsn PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('0/0', 1),
  ('FFFFFFFF/FFFFFFFF', 2),
  ('0/A', 3),
  ('0/10', 4),
  ('1/0', 5),
  ('A/0', 6);
