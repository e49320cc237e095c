CREATE TABLE t (k jsonb PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('1', 1),
  ('""', 2),
  ('"a"', 3),
  ('{"a": [1, null]}', 4),
  ('null', 5),
  ('[]', 6),
  ('{}', 7);
