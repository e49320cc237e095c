CREATE TABLE t (k date PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('infinity', 1),
  ('-infinity', 2),
  ('0001-01-01 BC', 3),
  ('5874897-12-31', 4),
  ('2024-02-29', 5),
  ('1970-01-01', 6),
  ('10000-01-01', 7);
