CREATE TABLE t (k varchar(12) PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('', 1),
  ('a', 2),
  ('B', 3),
  ('%', 4),
  ('é', 5),
  ('🐬', 6),
  ('NULL', 7),
  ('null', 8);
